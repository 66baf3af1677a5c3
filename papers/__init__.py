"""The table of the papers: every printed figure, what its reproduction needs, and our corresponding measurement.

Rows are data (`docs/results/papers/*.yaml`). The needs of a run are computed from its recipe's shapes. Every figure of
ours is read from a file under `docs/results`. `python -m papers` writes the blocks of `docs/results.md`.
"""
