"""Sinks: where the rows of recognition go. A sink prints, draws or stores rows as they come.

`printed_rows` and `prediction_picture` show, `result_file` stores with a `journal` that survives an interruption,
`timeline_output` writes the timeline of one recording, `live_view` follows a microphone. The way in is `sink.Sink`.
"""
