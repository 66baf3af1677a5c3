"""Ours beside the plain way, in one run: what a cleverness of the house is worth, measured and not claimed."""
