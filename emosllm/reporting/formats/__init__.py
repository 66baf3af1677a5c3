"""The formats of a report: each writes the blocks of `emosllm.reporting.blocks`. Decides on no contents.

The way in is `terminal`, the shortest format.
"""
