"""Benchmarks that compare emosllm with a plain implementation on transformers, in one run and with equal results."""
