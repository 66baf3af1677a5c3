"""Prompting: what the LLM reads and what it answers. Everything that reaches a model passes here.

`conversation` and `prompt_template` hold the wording, `cues` the acoustic description, `chat_template` the tokens.
The way in is `processor.SpeechProcessor`.
"""
