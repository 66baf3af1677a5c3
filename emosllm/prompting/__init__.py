"""Prompts and model inputs: text cues, conversations, token rows and batches, for training and inference."""
