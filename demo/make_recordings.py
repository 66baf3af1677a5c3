"""Make the synthetic speech of the demonstration: six recordings to recognise, and a mini-corpus to train on.

Each clip is espeak-ng with the settings of an emotion (`synthetic_voice.py`). Scores on these clips therefore show that
the code works, and not how well emotions of people are recognised.

    python -m demo.make_recordings      # replaces demo/recordings and demo/corpus; needs espeak-ng
"""

import argparse
import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from demo.synthetic_voice import DELIVERIES, Delivery, say
from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.files import atomic_folder

SEED = 2508  # an arbitrary number; it reproduces the clips in the repository

#: The recordings: emotion and espeak-ng voice variant. Their text is the same, only the delivery differs.
RECORDINGS = (("angry", "m3"), ("sad", "f5"), ("happy", "f2"), ("neutral", "m7"), ("fear", "f4"), ("sad", "m5"))
RECORDED_SENTENCE = "I did not expect to see you here tonight."

#: Voice variants by split; no speaker is in two splits.
SPEAKERS = {
    "train": ("m1", "m2", "m4", "m6", "f1", "f2", "f4", "belinda", "linda"),
    "val": ("m5", "m8", "Andy", "steph"),
    "test": ("m3", "m7", "f3", "f5"),
}
EMOTIONS = ("angry", "sad", "happy", "neutral")
#: Every speaker says the same sentences in every emotion, as in acted corpora, so the text does not reveal the emotion.
SENTENCES = ("I saw you there.", "We leave at nine.")
# By split. For the test, more voices are more informative than more sentences.
_SAID = {"train": (0, 1), "val": (0,), "test": (0,)}
# Female voices among espeak-ng's named variants. The first letter of a numbered variant gives its gender.
_WOMEN = ("belinda", "linda", "steph")
_CORPUS_GAIN = -15.0  # dB relative to the recordings: saves two and a half bits per sample
COLUMNS = ("path", "speaker", "emotion", "transcript", "language", "gender", "corpus", "split", "duration")


def make_recordings(folder: Path) -> None:
    """Make the clips to recognise: one sentence in six deliveries, each exactly as in `DELIVERIES`."""
    made: dict[str, int] = dict.fromkeys(DELIVERIES, 0)
    for number, (emotion, voice) in enumerate(RECORDINGS):
        made[emotion] += 1
        path = folder / f"synthetic_{emotion}_{made[emotion]}.flac"
        _write_clip(path, voice, RECORDED_SENTENCE, DELIVERIES[emotion], np.random.default_rng((SEED, number)))


def make_corpus(folder: Path) -> None:
    """Make the corpus to train on: `clips/` and the `manifest.csv` that describes them."""
    (folder / "clips").mkdir()
    speakers = [(split, voice) for split, voices in SPEAKERS.items() for voice in voices]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for split, voice in speakers:
            for emotion in EMOTIONS:
                for number in _SAID[split]:
                    writer.writerow({**_make_clip(folder, voice, emotion, number), "split": split})


def _make_clip(folder: Path, voice: str, emotion: str, number: int) -> dict[str, str]:
    """Make one clip of the corpus; return its row of the manifest without the split."""
    # The seed depends on the clip alone, so that another sentence or voice changes no other clip.
    rng = np.random.default_rng((SEED, *voice.encode(), EMOTIONS.index(emotion), number))
    path = f"clips/synthetic_{voice}_{emotion}_{number + 1}.flac"
    delivery = DELIVERIES[emotion].stray(rng)
    delivery = replace(delivery, gain=delivery.gain + _CORPUS_GAIN)
    duration = _write_clip(folder / path, voice, SENTENCES[number], delivery, rng)
    return {
        "path": path,
        "speaker": f"synthetic_{voice}",
        "emotion": emotion,
        "transcript": SENTENCES[number],
        "language": "en",
        "gender": "female" if voice.startswith("f") or voice in _WOMEN else "male",
        "corpus": "synthetic",
        "duration": f"{duration:.3f}",
    }


def _write_clip(path: Path, voice: str, text: str, delivery: Delivery, rng: np.random.Generator) -> float:
    """Write mono 16-bit FLAC at 16 kHz; return its length in seconds."""
    samples = say(voice, text, delivery, rng)
    soundfile.write(path, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return len(samples) / SAMPLE_RATE


def main() -> None:
    """Make both folders again. The old ones stay until the new ones are complete."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where the two folders go")
    out = parser.parse_args().out
    try:
        if shutil.which("espeak-ng") is None:
            raise UserError("espeak-ng is not installed: apt-get install espeak-ng")
        with atomic_folder(out / "recordings", marker="synthetic_angry_1.flac") as folder:
            make_recordings(folder)
        with atomic_folder(out / "corpus", marker="manifest.csv") as folder:
            make_corpus(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
