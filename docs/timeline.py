"""Draw docs/timeline.png: nano's timeline of synthetic clips of the demonstration, one after the other.

Run it from the repository's folder: `python -m docs.timeline`.
The voices are synthetic (espeak-ng): the picture shows the form of a
timeline, and nothing about emotions of people.
"""

import tempfile
from pathlib import Path

from PIL import Image

from demo.joined_recording import write_joined_recording
from emosllm import load
from emosllm.timeline.plot import draw_timeline
from emosllm.timeline.timeline import make_timeline

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "timeline.png"
CLIPS = [ROOT / "demo" / "recordings" / f"synthetic_{name}.flac" for name in (
    "neutral_1", "angry_1", "sad_1", "happy_1", "fear_1", "sad_2")]  # fmt: skip


def draw(picture: Path) -> None:
    """Draw the timeline of the clips into `picture`."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "synthetic_voices.wav"
        write_joined_recording(CLIPS, recording)
        draw_timeline(make_timeline(load("nano"), recording, "nano"), picture)
    with Image.open(picture) as drawn:
        small = drawn.convert("RGB").quantize(64)  # a third of the size, which every clone downloads
    small.save(picture, optimize=True)


if __name__ == "__main__":
    draw(PICTURE)
