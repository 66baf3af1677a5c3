"""The command `prepare`: turn a corpus's folder into a manifest and a datasheet."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.corpora.datasheet import Datasheet

_SHOWN = 20  # broken files that the terminal shows; the datasheet lists all


def prepare(
    corpus: Annotated[str, typer.Argument(help="Corpus; `emosllm prepare list` prints the names.")],
    folder: Annotated[
        Path, typer.Argument(help="Folder of the unpacked corpus; for `audb`, the database's name.")
    ] = Path(),
    options: Annotated[list[str] | None, typer.Argument(help="Options of the reader, such as sets=Test2.")] = None,
    out: Annotated[Path, typer.Option(help="Write the manifest to this file: CSV, TSV or JSONL.")] = Path(
        "manifest.csv"
    ),
    text: Annotated[
        bool, typer.Option("--text", help="Read transcripts and labels only, for systems without audio.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if anything is missing or broken.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of files opened at a time; four per processor core by default.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Version of an `audb` database; the newest by default.")] = None,
) -> None:
    """Check a corpus's folder and write its manifest and its datasheet.

    Example: `emosllm prepare ravdess ~/RAVDESS --out ravdess.csv`

    `emosllm prepare audb emodb --version 1.4.1 --out emodb.csv` first downloads the database, into emodb-1.4.1 beside
    the manifest.
    """
    if corpus == "list":
        _print_corpora()
        return
    from emosllm.corpora.manifest import check_ending, write_manifest
    from emosllm.files import write_atomically

    check_ending(out)  # check the ending before opening all files, which may take an hour
    chosen = dict(_parse_option(word) for word in options or ())
    corpus, folder = _download(corpus, folder, chosen, out.parent, version, text)
    sheet = _make_datasheet(corpus, folder, chosen, text, jobs)
    if strict and (lines := [*sheet.differences, *sheet.broken.values()]):
        raise UserError(f"{lines[0]} ({len(lines)} such lines in all; without --strict the rest is written)")
    write_manifest(out, sheet.utterances)
    page = out.with_name(f"{out.name}.datasheet.md")
    write_atomically(page, sheet.to_markdown())
    write_atomically(page.with_suffix(".json"), json.dumps(sheet.to_dict(), indent=1, ensure_ascii=False) + "\n")
    _print_datasheet(sheet, page)
    print(f"{out}: {len(sheet.utterances)} utterances of {sheet.speakers} speakers", file=sys.stderr)


def _print_corpora() -> None:
    from emosllm.corpora import CARDS, DOWNLOADS

    cards = {**CARDS, **{name: download.card for name, download in DOWNLOADS.items()}}
    for name, card in cards.items():
        print(f"{name:12} {card.title}: {card.licence}")


def _download(
    corpus: str, folder: Path, options: dict[str, str], parent: Path, version: str | None, text: bool
) -> tuple[str, Path]:
    """The reader and the folder of a corpus, after a download if the corpus needs one.

    Args:
        corpus: a reader, or a source of downloads.
        folder: the corpus's folder, or its name in the source.
        options: of the reader; they choose which recordings are downloaded.
        parent: the folder to download into.
        version: of the corpus in the source; refused for a folder.
        text: download no recordings.
    """
    from emosllm.corpora import DOWNLOADS, read_corpus

    corpus = corpus.lower()
    if corpus not in DOWNLOADS:
        if version is not None:
            raise UserError(f"--version {version} is for {', '.join(DOWNLOADS)}; {corpus} is read from a folder")
        return corpus, folder
    reader = DOWNLOADS[corpus].reader
    read = None if text else partial(read_corpus, reader, options=options)
    return reader, DOWNLOADS[corpus].fetch(str(folder), parent, version, read)


def _make_datasheet(corpus: str, folder: Path, options: dict[str, str], text: bool, jobs: int | None) -> "Datasheet":
    from dataclasses import replace

    from emosllm.corpora import card_of, corpus_name, read_corpus
    from emosllm.corpora.datasheet import Datasheet
    from emosllm.corpora.durations import measure

    utterances = read_corpus(corpus, folder, options)
    if text:
        utterances = [replace(utterance, audio=None, start=0.0, end=None, duration=None) for utterance in utterances]
    usable, broken = measure(utterances, jobs)
    sheet = Datasheet.of(corpus_name(corpus), card_of(corpus, folder, options), utterances, usable, broken)
    if not sheet.utterances:
        reason = next(iter(broken.values()), "its rows have no transcripts: prepare it without --text")
        way = "; --text reads the transcripts only" if not text and any(u.transcript for u in utterances) else ""
        raise UserError(f"no utterance of {sheet.card.title} in {folder} can be used: {reason}{way}")
    return sheet


def _parse_option(word: str) -> tuple[str, str]:
    key, sign, value = word.partition("=")
    if not sign or not key:
        raise UserError(f"{word!r} is not an option of a reader: write key=value, such as sets=Test2")
    return key, value


def _print_datasheet(sheet: "Datasheet", page: Path) -> None:
    """Print the datasheet, and the first warning and broken files on the error stream."""
    lines = sheet.to_markdown().splitlines()
    shown = [line for line in lines if not line.startswith("    - ")]
    Console().print(Markdown("\n".join(shown)))
    for line in sheet.differences[:1]:
        print(line, file=sys.stderr)
    for line in list(sheet.broken.values())[:_SHOWN]:
        print(line, file=sys.stderr)
    if len(sheet.broken) > _SHOWN:
        print(f"and {len(sheet.broken) - _SHOWN} more: {page} lists all", file=sys.stderr)
