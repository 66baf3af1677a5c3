"""Recognition of degraded recordings: noise, telephone lines, codecs, rooms and level, each by severity.

The entry point is `recogniser_sweep`, which runs a recogniser under every condition. `sweep` computes the figures.
"""
