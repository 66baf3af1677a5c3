"""Verbs around a report: calibrate, which makes probabilities mean what they say, and report, which makes pages."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import (
    BatchOpt,
    DataOption,
    DeviceOpt,
    LabelsOpt,
    ModelArgument,
    StrategyOpt,
    TranscriptsOpt,
    TranscriptsOption,
    chosen_labels,
    chosen_split,
    chosen_strategy,
    tracked,
)
from emosllm.errors import UserError


class PageFormat(StrEnum):
    """What `emosllm report` writes."""

    html = "html"
    markdown = "markdown"
    latex = "latex"


_ENDINGS = {".html": PageFormat.html, ".htm": PageFormat.html, ".md": PageFormat.markdown, ".tex": PageFormat.latex}


def calibrate(
    model: ModelArgument,
    data: DataOption,
    split: Annotated[str | None, typer.Option(help="train, val or test; everything if not given.")] = "val",
    out: Annotated[Path | None, typer.Option(help="Write this file instead of the one beside the weights.")] = None,
    transcripts: TranscriptsOpt = TranscriptsOption.own,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
) -> None:
    """Fit one temperature on validation, so that a system's probabilities mean what they say.

    Example: `emosllm calibrate runs/mine --data manifest.csv --split val`

    It is kept as calibration.json beside the weights, and every later verb applies it. No answer changes by it.
    """
    from emosllm.corpora.manifest import read_manifest
    from emosllm.evaluation.extra import check_eval_extra
    from emosllm.evaluation.temperature import fit_recogniser
    from emosllm.files import make_folder
    from emosllm.inference.loader import load
    from emosllm.inference.stored_calibration import write_calibration

    check_eval_extra()
    place = _place(model) if out is None else out
    utterances = chosen_split(read_manifest(data), split, data)
    recogniser = load(model, device=device, strategy=chosen_strategy(strategy), answer="score", temperature=1.0)
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    make_folder(place.parent)
    found = fit_recogniser(
        recogniser,
        utterances,
        data=data.name,
        split=split,
        transcripts=transcripts.value,
        batch_size=batch_size,
        tracked=lambda predictions: tracked(predictions, len(utterances)),
    )
    write_calibration(found, place)
    print(
        f"temperature {found.temperature:.3f}, fitted on {found.n} clips of {data}" + (f" ({split})" if split else "")
    )
    print(f"NLL {found.nll_before:.3f} -> {found.nll_after:.3f}, ECE {found.ece_before:.3f} -> {found.ece_after:.3f}")
    print(f"{place}: written", file=sys.stderr)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `evaluate`, `sweep` or `study`.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; text goes to the screen if not given.")] = None,
    format: Annotated[
        PageFormat | None, typer.Option(help="What to write; what the file's ending says if not given.")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio", help="Put the examples' sound into the page.")] = False,
    examples: Annotated[int, typer.Option(min=0, max=50, help="The surest right and the surest wrong answers.")] = 4,
) -> None:
    """Make one page of evaluations: figures with intervals, tables, curves, examples, and how they came about.

    Example: `emosllm report reports/nano reports/mine --out report.html`

    Several evaluations of the same clips are compared with the first: McNemar's test and the paired bootstrap. The
    folder of a protocol, a sweep or a study stands for its systems, over all folds. The page needs nothing but itself.
    Markdown holds the same as text; LaTeX is a table with a row for each.
    """
    from emosllm.files import write_atomically
    from emosllm.reporting.evaluations import read_side_by_side

    chosen = format or (_ENDINGS.get(out.suffix.lower()) if out is not None else PageFormat.markdown)
    if chosen is None:
        raise UserError(f"cannot tell from {out} what to write: say --format {', '.join(PageFormat)}")
    if chosen is PageFormat.html and out is None:
        raise UserError("a page is written to a file: give --out report.html")
    if audio and chosen is not PageFormat.html:
        raise UserError(f"--audio: {chosen.value} can't be listened to; write a page with --out report.html")
    found = read_side_by_side(runs)
    if chosen is PageFormat.html:
        from emosllm.reporting.html_page import render_page

        text = render_page(found, examples=examples, audio=audio)
    elif chosen is PageFormat.latex:
        from emosllm.reporting.latex import latex

        text = latex(found)
    else:
        from emosllm.reporting.markdown_page import markdown_page

        text = markdown_page(found, examples=examples)
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(f"{out}: written", file=sys.stderr)


def _place(model: str) -> Path:
    """Where a system's calibration belongs."""
    from emosllm.inference.loader import checkpoint_folder
    from emosllm.inference.stored_calibration import CALIBRATION
    from emosllm.models.checkpoints.locations import builtins

    folder = checkpoint_folder(model)
    if folder in {str(each) for each in builtins().values()} or not (Path(folder) / "config.json").is_file():
        raise UserError(f"{model} is no folder of yours to keep a temperature in; give --out calibration.json")
    return Path(folder) / CALIBRATION
