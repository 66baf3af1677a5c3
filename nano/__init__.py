"""Rebuild the builtin system nano with `make nano`; not part of the package."""
