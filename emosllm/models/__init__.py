"""Models: encoders, mappers, LLMs, heads and the systems composed of them. Independent of corpora and prompts."""
