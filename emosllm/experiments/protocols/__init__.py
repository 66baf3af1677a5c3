"""Published evaluation protocols: their record, the catalogue of names, and the evaluation under them.

The entry point is `evaluation`; `catalogue` finds a protocol by name, `protocol` applies it to data.
"""
