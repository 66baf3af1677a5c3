"""Evaluation: from predictions to figures, with intervals by speaker. `reporting` shows them.

`metrics`, `statistics`, `calibration`, `abstention`, `fairness`, `robustness` and `dimensions` compute one kind each.
The way in is `report_builder.build_report`. Nothing here imports torch. scikit-learn, scipy and jiwer are the extra
`eval` and are imported where they are used, so that `emosllm predict` runs without them.
"""
