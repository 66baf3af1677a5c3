"""Training: phases as data, on transformers' Trainer, in a run folder that can be resumed.

`phase_plan` draws the samples, `dataset` makes them, `feature_cache` keeps the frozen encoder's frames.
The way in is `run.Run`.
"""
