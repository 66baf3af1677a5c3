"""Confidence intervals by speaker and tests of significance.

The way in is `bootstrap` for one system and `significance` for two.
"""
