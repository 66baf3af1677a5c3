"""The sections of a report, one file a section, each made of the blocks of `emosllm.reporting.blocks`.

The way in is `emosllm.reporting.section_list`, which lists the sections in their order.
"""
