"""Timelines: the turns of a recording of any length, with their emotions, as records, files and pictures.

Importing this package does not load torch. The libraries that only a timeline needs (silero-vad, pyarrow) are the extra
`timeline` and are imported where they are used.
"""
