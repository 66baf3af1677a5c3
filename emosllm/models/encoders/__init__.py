"""Speech encoders, the table of their families, and the hidden states that a mapper or head reads.

The way in is `encoder`; `families` says what each kind of encoder needs.
"""
