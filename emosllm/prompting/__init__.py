"""Prompting: the LLM's input and the format of its answer. Every model input is built here.

`conversation` and `prompt_template` hold the wording, `cues` the acoustic description, `chat_template` the tokens.
The way in is `processor.SpeechProcessor`.
"""
