"""`python -m papers`: write the tables of docs/results.md from the rows and from the stored results."""

from pathlib import Path

import typer

from papers.page import write_page

if __name__ == "__main__":
    typer.run(lambda: write_page(Path()))
