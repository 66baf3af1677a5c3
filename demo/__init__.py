"""The demonstration: train and evaluate a small system on bundled synthetic recordings."""
