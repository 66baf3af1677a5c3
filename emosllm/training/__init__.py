"""Training: planned phases, transformers' Trainer, and a run folder that documents the run and can be resumed."""
