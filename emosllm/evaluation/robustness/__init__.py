"""Recognition of degraded recordings: noise, lines, codecs, rooms and level, each by severity.

The way in is `recogniser_sweep`, which asks a recogniser under every condition; `sweep` computes the figures.
"""
