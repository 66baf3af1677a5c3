"""The sections of a report, one file a section, each made of the blocks of `emosllm.reporting.blocks`.

The entry point is `emosllm.reporting.section_list`, which defines their order.
"""
