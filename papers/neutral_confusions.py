"""Write AA-SLLM's table 3 for two evaluations of the same clips: right answers that the other system called neutral.

`python -m papers.neutral_confusions WITH WITHOUT --out docs/results/called-neutral.json`: both are folders that
`evaluate` or a study (its `scores/...`) wrote. Not supported: other classes than neutral.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emosllm.evaluation.fairness import confused_with
from emosllm.files import write_atomically
from emosllm.reporting.evaluations import compare_evaluations


def main(
    described: Annotated[Path, typer.Argument(metavar="WITH", help="Evaluation with the acoustic description.")],
    plain: Annotated[Path, typer.Argument(metavar="WITHOUT", help="Evaluation without it.")],
    out: Annotated[Path, typer.Option(help="Write the counts to this JSON file.")],
) -> None:
    """Count the clips that one system labels correctly and the other labels neutral."""
    first, second = compare_evaluations([described, plain]).evaluations
    without, with_description = confused_with(first.answers, second.answers)
    held = {"wrong_without": asdict(without), "wrong_with": asdict(with_description)}
    write_atomically(out, json.dumps(held, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
