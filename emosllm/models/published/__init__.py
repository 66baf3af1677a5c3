"""Published checkpoints in their authors' own layout, loaded into encoders, mappers, LLMs and heads."""
