"""Present evaluations as HTML page, Markdown, LaTeX, plots and terminal output. Computes no figures.

The way in is `section_list`, whose tuple `SECTIONS` all formats write. `evaluations` reads the folders.
"""
