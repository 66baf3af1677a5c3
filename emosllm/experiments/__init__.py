"""Experiments: many trainings of one recipe that can be resumed, and their merged figures."""
