"""The eight samples against the real corpus, if it exists here: no system was trained on them."""

import csv
from collections import Counter

from emosllm.corpora.samples import STEMS, write_samples

EMOTIONS = {"H": "happy", "N": "neutral", "S": "sad", "A": "angry"}


def real_rows(shared):
    with (shared / "emodb" / "manifest.csv").open(encoding="utf-8") as lines:
        return {row["path"].removeprefix("wav/").removesuffix(".flac"): row for row in csv.DictReader(lines)}


def test_no_system_was_trained_on_the_samples_speakers(shared):
    rows = real_rows(shared)
    assert {rows[stem]["split"] for stem in STEMS} == {"test"}
    speakers = {rows[stem]["speaker"] for stem in STEMS}
    assert speakers == {row["speaker"] for row in rows.values() if row["split"] == "test"}
    assert not speakers & {row["speaker"] for row in rows.values() if row["split"] != "test"}
    with (shared / "manifest.csv").open(encoding="utf-8") as lines:
        assert not [row for row in csv.DictReader(lines) if row["split"] != "test" and row["speaker"] in speakers]


def test_the_samples_are_described_as_in_the_corpus(shared, tmp_path):
    rows = real_rows(shared)
    utterances = write_samples(tmp_path / "samples", shared / "emodb")
    assert Counter(utterance.emotion for utterance in utterances) == dict.fromkeys(EMOTIONS.values(), 2)
    for utterance in utterances:
        row = rows[utterance.audio.stem]
        assert (utterance.speaker, utterance.transcript) == (row["speaker"], row["transcript"])
        assert (utterance.gender, utterance.emotion) == (row["gender"], EMOTIONS[row["msp"]])
