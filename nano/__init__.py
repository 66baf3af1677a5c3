"""nano: what rebuilds the builtin system. Not part of the package; run with `make nano`."""
