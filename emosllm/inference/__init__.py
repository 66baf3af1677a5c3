"""Inference: recordings in, predictions out. Transcripts are generated, emotions are scored.

`decoding` asks the system, `adaptation` normalises by the recordings at hand, `asr` and `transcripts` bring words.
The ways in are `loader.load` and `recogniser.Recogniser`.
"""
