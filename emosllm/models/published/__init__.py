"""Checkpoints in their authors' own layout, read into our parts."""
