"""Speech encoders, the table of their families, and the hidden states that a mapper or head reads.

Start reading at `encoder`; `families` lists the settings of each kind of encoder.
"""
