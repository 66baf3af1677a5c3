"""Two systems with planted answers, so that the correct content of a report is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile as sf
import tiny

from emosllm.evaluation.provenance import Provenance, Training, digest_of
from emosllm.evaluation.report_builder import build_report
from emosllm.evaluation.robustness.conditions import CONDITIONS
from emosllm.evaluation.robustness.sweep import sweep
from emosllm.labels import label_set
from emosllm.reporting.report_files import write_report
from emosllm.utterance import Prediction, Utterance

LABELS = label_set("iemocap4")
CLIPS = 240
#: What a page, a table or LaTeX could stumble over.
NASTY = 'a_b%&#$~^{}|<i>"\\'


def utterances(folder: Path | None = None) -> list[Utterance]:
    """Twelve speakers of twenty clips each; with a folder, every second clip is a recording in it."""
    made = []
    for index in range(CLIPS):
        speaker = index // 20
        emotion = LABELS.names[index % 4]
        audio = None
        if folder is not None and index % 2:
            audio = folder / f"{index}.flac"
            sf.write(audio, tiny.clip(0.4, seed=index), 16_000)
        made.append(
            Utterance(
                f"clip_{index}",
                audio,
                transcript="<b>50 % & more</b>",
                emotion=emotion,
                speaker=f"s_{speaker}",
                gender=("female", "male")[speaker % 2],
                language=("en", "de", None)[speaker % 3],
                corpus=("one", "two|b")[speaker % 2],
                votes={emotion: 3, "neutral": 1, "bored": 1},
            )
        )
    return made


def answers(clips, right: float, seed: int, sure: float = 0.9) -> list[Prediction]:
    """Answers that are right with probability `right`, otherwise neutral where possible, with constant confidence."""
    rng = np.random.default_rng(seed)
    made = []
    for clip in clips:
        wrong = "neutral" if clip.emotion != "neutral" else "sad"
        label = clip.emotion if rng.random() < right else wrong
        level = sure + 0.05 * rng.random()
        shares = {name: level if name == label else (1 - level) / 3 for name in LABELS.names}
        made.append(Prediction(str(clip.audio or clip.id), label, shares))
    return made


def write_run(folder: Path, clips, predictions, model="system", **options) -> Path:
    """Write the folder that `emosllm evaluate --out` would write."""
    training = Training("f00d", 10, 5, 7, {"torch": "2"}, {"machine": "m", "gpu": None}, 7200.0, {"p1": {"loss": 0.5}})
    origin = Provenance(digest_of(clips), {"machine": "x", "threads": 1, "gpu": None}, {"name": NASTY}, training)
    known = {"model": model, "data": f"data/{NASTY}.csv", "split": "test", "resamples": 200, "provenance": origin}
    report = build_report(clips, predictions, LABELS, **known | options)
    write_report(report, clips, predictions, folder)
    return folder


def swept(clips):
    """A small sweep of a system that is right only on clean clips."""
    some = [replace(clip, audio=None) for clip in clips[:24]]
    sounds = [tiny.clip(0.2, seed=index) for index in range(24)]

    def predict(given):
        clean = all(np.array_equal(one, other) for one, other in zip(given, sounds, strict=True))
        return [clip.emotion if clean else "neutral" for clip in some]

    conditions = [CONDITIONS["white noise"], CONDITIONS["A-law"]]
    sides = ([clip.emotion for clip in some], [clip.speaker for clip in some])
    return sweep(predict, sounds, *sides, LABELS.names, conditions=conditions, resamples=100)
