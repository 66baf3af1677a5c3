"""nano's model card, written from its figures so that no number in it is typed by hand."""

from collections.abc import Mapping
from typing import Any

_NAMES = {"ravdess": "RAVDESS (English)", "emodb": "EMO-DB (German)", "nemo": "nEMO (Polish)"}

_CARD = """# nano

The builtin system of emosllm: a small speech encoder, a QPMapper and a small Llama, trained from nothing through EmoSLLM's
three phases. It needs no download, runs on a CPU, and is meant to try things out, not to decide anything about people.

| part | what it is | weights |
|---|---|---|
{parts}

## How good it is

Unweighted accuracy (mean recall over classes) with 95 % bootstrap intervals by speaker; speakers of val and test were never
trained on. Chosen on val; test was computed once, for this table, from `docs/results/nano.json`. Transcripts are nano's own.
"Own classes" means choosing among the corpus's classes only; otherwise nano chooses among its seven.

| corpus | classes | val UA | test UA | test UA, own classes | test WA | test clips, speakers | baseline (MFCC + SVM), test UA |
|---|---|---|---|---|---|---|---|
{rows}

With two to four test speakers a corpus, these intervals are coarse and too narrow. Word error rate of its transcripts on
test: {wer}. RAVDESS has two sentences and nEMO's and EMO-DB's test sentences {overlap}, so
that is recall of known sentences, not speech recognition: do not use nano to transcribe.

## What it learned from

- RAVDESS speech, actors 01-12 (CC BY-NC-SA 4.0; Livingstone & Russo 2018), EMO-DB, speakers 03 08 09 10 11, four of seven
  emotions (CC0; Burkhardt et al. 2005), nEMO, speakers EB0 KS0 WR0 (CC BY-NC-SA 4.0; Christop 2024): emotion and words.
- Free Spoken Digit Dataset (CC BY-SA 4.0), LJSpeech (public domain), a few clips of SpeechBrain's tests (Apache-2.0): words.
- GoEmotions, 10,000 comments (CC BY 4.0; Demszky et al. 2020): the language model's reading, and emotions of sentences.

Layout for `make nano DATA=FOLDER`: `manifest.csv` (columns path, speaker, emotion, transcript, language, gender, corpus,
split, msp, duration), the recordings it names, `text/goemotions/train.tsv` and `labels.txt`.

## Licence of the weights

The code is Apache-2.0. Two of the corpora are CC BY-NC-SA 4.0, and whether weights are an adaptation of the data they were
trained on is not settled: treat these weights as CC BY-NC-SA 4.0. That means no commercial use, credit to the corpora above,
and the same licence for what you derive from the weights. For other uses train on data whose licence fits:
`emosllm train nano --data YOUR.csv --out runs/mine` still starts from the builtin encoder and language model, so
rebuild those too (`make nano`).

## Limits

Acted speech of a few dozen people in three languages, read sentences, studio microphones. Other languages, spontaneous
speech, children, noise and telephones are outside of what it has met, although noise, rooms, band limits and gain were
imitated in training. Surprise, fear and disgust come from one or two corpora. It has no class for boredom, contempt or
calm (calm counts as neutral). Its probabilities are not calibrated. What a voice sounds like is not what a person feels;
nano is no diagnosis and must not be used to judge anybody.
"""


def card(figures: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    test = figures["nano"]["test"]
    wer = ", ".join(f"{_NAMES[corpus]} {_figure(row['wer'])}" for corpus, row in test.items())
    return _CARD.format(
        parts="\n".join(_part(name, *part) for name, part in figures["parts"].items()),
        rows="\n".join(_row(corpus, figures) for corpus in test),
        wer=wer,
        overlap=figures["sentences"],
    )


def _part(name: str, what: str, weights: int) -> str:
    return f"| {name} | {what} | {weights:,} |"


def _row(corpus: str, figures: Mapping[str, Any]) -> str:
    test, val = figures["nano"]["test"][corpus], figures["nano"]["val"][corpus]
    own = figures["own_classes"]["test"][corpus]
    seen = sum(1 for row in test["confusion"] if sum(row))
    cells = (
        _NAMES[corpus],
        seen,
        _with_interval(val),
        f"**{_with_interval(test)}**",
        _with_interval(own),
        _figure(test["wa"]),
        f"{test['n']}, {test['speakers']}",
        _figure(figures["baseline"]["test"][corpus]["UA"]),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = row["intervals"]["ua"]
    return _figure(row["ua"]) + (f" [{_figure(interval[0])}, {_figure(interval[1])}]" if interval else "")


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
