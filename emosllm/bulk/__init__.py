"""Recognise many recordings: decode them in parallel, recognise them in order, and continue after an interruption."""
