"""A hundred thousand recordings: decoded in parallel, recognised in order, written so that a kill loses nothing."""
