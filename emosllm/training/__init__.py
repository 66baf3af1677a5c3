"""The curriculum: phases as data, on transformers' Trainer, in a run folder that explains itself and can be resumed."""
