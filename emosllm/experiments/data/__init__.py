"""The data of an experiment: manifests, folds, leakage checks and changes to the data.

The way in is `manifests`; `folds` divides what it reads, and `leakage` refuses what overlaps.
"""
