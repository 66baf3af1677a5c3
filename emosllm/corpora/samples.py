"""Write eight sample recordings into a folder: EMO-DB's two test speakers in four emotions, under CC0.

The list is fixed in code and was not selected by the answers of any system. No builtin system was trained on these
speakers. The recordings come from `audb` or from a copy of the corpus. They are always written as WAV, so that a
sample's path is `<folder>/<stem>.wav`.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile as sf

from emosllm.audio import load_audio
from emosllm.corpora.corpus_folder import SUFFIXES
from emosllm.corpora.manifest import read_manifest
from emosllm.corpora.readers import emodb
from emosllm.corpora.readers.audb import open_database
from emosllm.errors import UserError
from emosllm.files import atomic_folder
from emosllm.utterance import Utterance

#: Names in the corpus: speaker (12 is a man, 14 a woman), sentence, emotion, version.
STEMS = ("12a05Nd", "12a05Ta", "12a05Wb", "12b02Fb", "14b02Fb", "14b02Na", "14b02Tc", "14b02Wb")
DATABASE, VERSION = "emodb", "1.4.1"  # in audb's repositories; 2.0.0 adds laryngograms
LICENCE = "CC0-1.0"
LICENCE_FILE = "LICENCE-EMO-DB.txt"
MANIFEST = "manifest.csv"
_COLUMNS = ("path", "speaker", "emotion", "transcript", "language", "gender", "corpus", "split", "licence")
_LICENCE_TEXT = f"""\
The recordings in this folder are eight of the 535 of the Berlin Database of Emotional Speech (EMO-DB).

Licence: CC0 1.0 Universal, https://creativecommons.org/publicdomain/zero/1.0/
Source: {emodb.CARD.origin}
Attribution, not required: {emodb.CARD.citation}.

The speakers are actors. Changes: none to the samples; a recording that was not WAV was written as WAV.
"""


def write_samples(folder: Path, source: Path | None = None) -> list[Utterance]:
    """Write the recordings, `manifest.csv` and the licence into a folder, atomically.

    Args:
        folder: a new or empty folder, or one that this function wrote before.
        source: a copy of EMO-DB, in its original layout or in audformat's, as WAV or FLAC; from `audb` if `None`.

    Returns:
        The eight utterances, as read from the manifest.

    Raises:
        UserError: the recordings cannot be downloaded, the copy lacks one, or the folder holds other files.
    """
    with TemporaryDirectory() as temporary, atomic_folder(folder, marker=LICENCE_FILE) as new:
        for path in _download(Path(temporary)) if source is None else _find(source):
            _write_wav(path, new / f"{path.stem}.wav")
        utterances = emodb.read(new)
        (new / MANIFEST).write_text(_manifest(utterances), "utf-8")
        (new / LICENCE_FILE).write_text(_LICENCE_TEXT, "utf-8")
    return read_manifest(folder / MANIFEST)


def _download(folder: Path) -> list[Path]:
    files = [f"wav/{stem}.wav" for stem in STEMS]
    try:
        with open_database(DATABASE, VERSION) as database:
            database.fetch_recordings(folder, files)
    except UserError as error:
        raise UserError(f"{error}; or emosllm samples --from FOLDER, with a copy of EMO-DB") from None
    return [folder / file for file in files]


def _find(source: Path) -> list[Path]:
    """Find the recordings in a copy, in its folder `wav` or in the folder itself."""
    found = []
    for stem in STEMS:
        places = [source / part / f"{stem}{suffix}" for part in ("wav", "") for suffix in SUFFIXES]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise UserError(f"{source} has no wav/{stem}.wav or .flac: --from needs a copy of {emodb.CARD.title}")
        found.append(path)
    return found


def _write_wav(path: Path, new: Path) -> None:
    load_audio(path)  # raises an error of one line if the recording is broken
    samples, rate = sf.read(path, dtype="int16")
    sf.write(new, samples, rate, subtype="PCM_16")


def _manifest(utterances: Iterable[Utterance]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for utterance in utterances:
        known = {name: getattr(utterance, name, None) for name in _COLUMNS}
        writer.writerow(known | {"path": f"{utterance.id}.wav", "split": "test", "licence": LICENCE})
    return table.getvalue()
