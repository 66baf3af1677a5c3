"""From predictions to figures that can be trusted: metrics, intervals by speaker, reports on disk, screen and paper.

Nothing here imports torch. What counts and draws (scikit-learn, scipy, jiwer, matplotlib) is the extra `eval` and is
imported where it is used, so that `emosllm predict` runs without it.
"""
