"""Causal language models: prefix caching, scoring, LoRA adapters and GGUF files.

Start reading at `llm`.
"""
