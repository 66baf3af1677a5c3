"""Compute figures from predictions: metrics, calibration, intervals by speaker, fairness, robustness and reports.

Nothing here imports torch. The libraries that compute figures (scikit-learn, scipy, jiwer) are in the extra `eval`.
They are imported where they are used, so that `emosllm predict` runs without them.
"""
