"""Faster computation of published layers with equal results: attention, convolutions, linear layers on a CPU.

Each file replaces one kind of layer; `emosllm.models.encoders` and `emosllm.models.llms` call them.
"""
