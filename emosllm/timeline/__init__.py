"""Timeline: recordings of any length as turns with their emotions.

`voice_activity` and `turns` find turns, `spoken_turns` cuts them as clips, `plot` draws, `exports` writes nine formats.
The way in is `timeline.make_timeline`. silero-vad and pyarrow are the extra `timeline`, imported where they are used.
"""
