"""Write a report's files: `report.json`, `report.md` and `predictions.jsonl`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from emosllm.evaluation.report import Report
from emosllm.files import write_atomically
from emosllm.reporting.formats.markdown_page import markdown_report
from emosllm.utterance import Prediction, Utterance


def write_report(
    report: Report, utterances: Sequence[Utterance], predictions: Sequence[Prediction], out: Path
) -> Mapping[str, Path]:
    """Write `predictions.jsonl`, `report.md` and, last, `report.json` into the folder `out`, each atomically.

    If `report.json` exists, the other two are complete. A line of `predictions.jsonl` is the prediction with `id`, the
    true `emotion`, the `reference` class that it counts as (null: left out), `reference_transcript`, the raters'
    `valence`, `arousal` and `dominance`, `speaker`, `gender`, `language`, `corpus`, and `start` and `end` in its file
    (seconds).

    Returns:
        File name -> path.

    Raises:
        UserError: `out` cannot be written to.
    """
    lines = [
        json.dumps(_line(report, *pair), ensure_ascii=False, allow_nan=False)
        for pair in zip(utterances, predictions, strict=True)
    ]
    contents = {
        "predictions.jsonl": "".join(f"{line}\n" for line in lines),
        "report.md": markdown_report(report),
        "report.json": json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False, indent=2) + "\n",
    }
    for name, text in contents.items():
        write_atomically(out / name, text)
    return {name: out / name for name in contents}


def _line(report: Report, utterance: Utterance, prediction: Prediction) -> dict[str, object]:
    return {
        "id": utterance.id,
        **prediction.to_dict(),
        "emotion": utterance.emotion,
        "reference": report.classify(utterance.emotion),
        "reference_transcript": utterance.transcript,
        "valence": utterance.valence,
        "arousal": utterance.arousal,
        "dominance": utterance.dominance,
        "speaker": utterance.speaker,
        "gender": utterance.gender,
        "language": utterance.language,
        "corpus": utterance.corpus,
        "start": utterance.start,
        "end": utterance.end,
    }
