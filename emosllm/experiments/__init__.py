"""Experiments: many trainings of one recipe, resumable, and their figures in one table.

`data` divides and checks utterances, `protocols` holds published splits, `studies` reads ablations.
The ways in are `sweep.sweep_variants` and `protocols.evaluation`.
"""
