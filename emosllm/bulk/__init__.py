"""Bulk recognition: any number of recordings, in order, into one results file that survives a kill.

`prefetch` decodes in parallel, `journal` keeps what is done, `results` writes CSV, JSON lines or Parquet.
The way in is `run.run_bulk`.
"""
