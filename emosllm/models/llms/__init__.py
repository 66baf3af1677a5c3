"""Causal language models: prefix caching, scoring, LoRA adapters and GGUF files.

The way in is `llm`.
"""
