"""Tensors only: encoder, mapper, LLM, and the three composed. Knows no corpus and no prompt."""
