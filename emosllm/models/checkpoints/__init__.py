"""Checkpoints on disk and on the hub: their locations, saving and loading, int8 storage.

Start reading at `checkpoint`; `locations` finds a model by name.
"""
