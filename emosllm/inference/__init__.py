"""Inference: a stream of recordings in, rows out. Transcripts are generated, emotions are scored.

`sources` lists utterances, `clips` cuts them out of recordings, `transcripts` and `asr` give their words, `recogniser`
answers in batches, `rows` composes the stream. The ways in are `loader.load`, `recogniser.Recogniser` and
`rows.recognise`.
"""
