"""Published evaluation protocols: records, the catalogue of names, and their evaluation.

The way in is `evaluation`; `catalogue` finds a protocol by name, `protocol` applies it to data.
"""
