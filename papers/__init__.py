"""The paper table: every figure the papers print, what reproducing it takes, and what we measured in its place.

Rows are data (`docs/results/papers/*.yaml`), what a run needs is computed from its recipe's shapes, and every figure of
ours is read from a file under `docs/results`. `python -m papers` writes the blocks of `docs/results.md`.
"""
