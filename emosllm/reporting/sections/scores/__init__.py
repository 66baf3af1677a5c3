"""The sections on scores: of every system, corpus, class, fold and seed. Contains no figures of confidence.

The way in is `emosllm.reporting.section_list`, which lists the sections in their order.
"""
