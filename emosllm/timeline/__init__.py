"""Timeline: recordings of any length as turns with their emotions.

`voice_activity` and `turns` cut, `live` follows a microphone, `plot` draws, `exports` writes nine formats.
The way in is `timeline.make_timeline`. Nothing here loads torch on import. silero-vad and pyarrow are the extra
`timeline`, imported where they are used.
"""
