"""Experiments: many trainings of one recipe, resumable, and their figures put together."""
