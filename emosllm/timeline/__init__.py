"""Recordings of any length as turns with their emotions: found, recognised, written and drawn.

Nothing here loads torch on import. What only a timeline needs (silero-vad, pyarrow) is the extra `timeline`, imported
where it is used.
"""
