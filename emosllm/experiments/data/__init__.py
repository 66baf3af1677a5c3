"""The data of an experiment: manifests, folds, leakage checks and changes to the data.

The entry point is `manifests`. `folds` divides the utterances, and `leakage` rejects folds whose parts overlap.
"""
