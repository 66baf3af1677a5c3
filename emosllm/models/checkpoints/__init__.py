"""Checkpoints on disk and on the hub: where they lie, how they are saved and loaded, int8 storage.

Start reading at `checkpoint`; `locations` finds a model by name.
"""
