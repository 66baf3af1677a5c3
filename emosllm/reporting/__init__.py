"""Present evaluations as HTML page, Markdown, LaTeX, plots and terminal output. Computes no figures.

`evaluations` reads and compares folders, `section_list` names the sections of a page for all formats,
and `html_page`, `markdown_page` and `latex` write them.
"""
