"""Inference with a trained system: transcripts are generated, and emotions are scored."""
