"""Models: computation on tensors, independent of corpora and prompts.

`encoders`, `mappers`, `llms` and `heads` are the parts, `checkpoints` and `published` read and write weights.
The ways in are `build`, `speech_llm.SpeechLLM` and `speech_head.SpeechHead`.
"""
