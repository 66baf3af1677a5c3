"""Confidence intervals by speaker and tests of significance.

The entry points are `bootstrap` for one system and `significance` for two.
"""
