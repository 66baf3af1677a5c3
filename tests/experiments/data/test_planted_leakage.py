"""No protocol lets a planted leak through: each family of protocols against each kind of leak, by the front door.

A clean miniature comes as far as the last refusal, that training needs a folder; with a leak it never gets there.
"""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from letters import texts

from emosllm.corpora.manifest import write_manifest
from emosllm.corpora.readers import emobox
from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.data.leakage import check_folds
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.protocols.evaluation import ProtocolSettings, evaluate_protocol

CLEAN = r"trains gemma-text \d+ times: give --out DIR"
OFFICIAL = ("msp-podcast", "msp-podcast-8", "lssed", "meld", "emospeech", "emobox:savee", "cross-corpus:other")
WITH_VAL = ("msp-podcast", "msp-podcast-8", "lssed", "meld", "cross-corpus:other")
FAMILIES = (*OFFICIAL, "iemocap-loso", "iemocap-speakers", "emospeech-cv")
CORPUS = {"lssed": "lssed", "meld": "meld", "emospeech": "emospeech", "emospeech-cv": "emospeech",
          "emobox:savee": "savee", "cross-corpus:other": "other"}  # fmt: skip


def miniature(name, folder):
    """A clean corpus of a family, with sound: all recordings are of one length, so that only their content differs."""
    corpus = CORPUS.get(name, "iemocap" if name.startswith("iemocap") else "msp_podcast")
    if name.startswith("iemocap"):
        data = [
            replace(u, session=f"iemocap_{1 + i // 8}", speaker=f"iemocap_{1 + i // 8}{'FM'[i % 2]}")
            for i, u in enumerate(texts(24, 6, corpus))
        ]
    elif name == "emospeech-cv":
        data = [replace(u, split="train") for u in texts(40, 0, corpus)]
    else:
        splits = ("train", "val", "test") if name in WITH_VAL else ("train", "train", "test")
        data = [
            replace(u, split=splits[i // 8], speaker=None if corpus == "emospeech" else f"{corpus}_{i // 4}")
            for i, u in enumerate(texts(24, 6, corpus))
        ]
        if name == "cross-corpus:other":  # learned from and chosen by on another corpus
            data = [u if u.split == "test" else replace(u, corpus="one") for u in data]
    rng = np.random.default_rng(0)
    for utterance in data:
        sf.write(folder / f"{utterance.id}.wav", rng.normal(0, 0.1, 800), 16_000)
    return [replace(u, audio=folder / f"{u.id}.wav") for u in data]


def verdict(name, data, folder, reader):
    """What the front door says to the data."""
    write_manifest(folder / "m.csv", data)
    with pytest.raises(UserError) as caught:
        evaluate_protocol(name, "gemma-text", [folder / "m.csv"], reader, ProtocolSettings(partial=True))
    return str(caught.value)


def apart(name, data):
    """Places of a clip that is learned from and of one that is tested."""
    if name == "iemocap-loso":
        return 0, 8
    if name == "iemocap-speakers":
        return 0, 1
    return 0, 16


@pytest.mark.parametrize("name", FAMILIES)
def test_clean_data_come_as_far_as_training(name, reader, tmp_path):
    import re

    assert re.search(CLEAN, verdict(name, miniature(name, tmp_path), tmp_path, reader))


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name not in ("meld", "emospeech-cv", "iemocap-speakers")]
)
def test_a_speaker_on_two_sides(name, reader, tmp_path):
    """Of the others, MELD shares its speakers and says so, and two keep a speaker together whatever is said."""
    data = miniature(name, tmp_path)
    learned, tested = apart(name, data)
    data[learned] = replace(data[learned], speaker="somebody")
    data[tested] = replace(data[tested], speaker="somebody")
    assert "speaker somebody is in train and in test" in verdict(name, data, tmp_path, reader)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_recording_under_two_names(name, reader, tmp_path):
    data = miniature(name, tmp_path)
    if name == "emospeech-cv":  # nobody chooses the folds, but six copies cannot all be in one of equal classes
        copies = data[:6]
    else:
        copies = [data[place] for place in apart(name, data)]
    for copy in copies[1:]:
        shutil.copy(copies[0].audio, copy.audio)
    said = verdict(name, data, tmp_path, reader)
    assert "one recording, as " in said
    assert "is in train and in test" in said


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "emospeech-cv"])
def test_segments_of_one_file_that_overlap(name, reader, tmp_path):
    """Cross-validation keeps the segments of a file together where nobody knows who speaks."""
    data = miniature(name, tmp_path)
    learned, tested = apart(name, data)
    data[learned] = replace(data[learned], start=0.0, end=0.03)
    data[tested] = replace(data[tested], audio=data[learned].audio, start=0.02, end=0.05)
    assert "one recording, as " in verdict(name, data, tmp_path, reader)


@pytest.mark.parametrize("name", WITH_VAL)
def test_a_validation_set_that_is_the_test_set_under_other_names(name, reader, tmp_path):
    data = miniature(name, tmp_path)
    for one, other in zip(data[8:16], data[16:], strict=True):
        shutil.copy(other.audio, one.audio)
    assert "the validation set is the test set" in verdict(name, data, tmp_path, reader)


@pytest.mark.parametrize("name", WITH_VAL)
def test_a_validation_set_of_the_tested_texts(name, reader, tmp_path):
    """Without sound, words tell."""
    data = [replace(u, audio=None) for u in miniature(name, tmp_path)]
    data[8:16] = [replace(u, transcript=other.transcript) for u, other in zip(data[8:16], data[16:], strict=True)]
    assert "the validation set is the test set" in verdict(name, data, tmp_path, reader)


@pytest.mark.parametrize("name", WITH_VAL)
def test_one_recording_in_validation_and_in_test(name, reader, tmp_path):
    data = miniature(name, tmp_path)
    shutil.copy(data[16].audio, data[8].audio)
    assert "is in val and in test" in verdict(name, data, tmp_path, reader)


def test_a_dialogue_on_two_sides_of_sessions(reader, tmp_path):
    """A turn in a wrong session, its speaker renamed with it, so that only the dialogue tells."""
    data = miniature("iemocap-loso", tmp_path)
    data = [
        replace(u, id=f"Ses0{1 + i // 8}F_impro0{1 + i % 2}_{'FM'[i % 2]}{i:03}") for i, u in enumerate(data)
    ]  # two dialogues a session
    assert "give --out DIR" in verdict("iemocap-loso", data, tmp_path, reader)
    strayed = replace(data[0], session="iemocap_2", speaker="iemocap_2F")
    said = verdict("iemocap-loso", [strayed, *data[1:]], tmp_path, reader)
    assert "dialogue Ses01F_impro01 is in train and in test" in said
    # Ten folds by speaker part every dialogue, and say so.
    assert "give --out DIR" in verdict("iemocap-speakers", data, tmp_path, reader)


def test_texts_that_are_in_training_word_for_word_are_told(reader, tmp_path):
    """People repeat themselves, so this is no leak, and yet a reader should know."""
    data = [replace(u, audio=None) for u in miniature("emospeech", tmp_path)]
    data[16] = replace(data[16], transcript=data[0].transcript)
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(partial=True, test_only=True)
    six = (*reader, "labels=ekman6")
    _, report = evaluate_protocol("emospeech", "gemma-text", [tmp_path / "m.csv"], six, settings)
    assert not any("the same words are in training" in note for note in report.doubts)  # nothing was trained
    write_manifest(tmp_path / "m.csv", data)
    settings = ProtocolSettings(tmp_path / "out", partial=True)
    _, report = evaluate_protocol("emospeech", "gemma-text", [tmp_path / "m.csv"], reader, settings)
    assert "Of 1 of 8 tested texts the same words are in training; people repeat themselves." in report.doubts


def test_corpora_that_hold_each_others_clips(reader, tmp_path):
    data = [*miniature("emospeech", tmp_path), *(replace(u, split="train") for u in texts(8, 0, "meacorpus"))]
    assert "emospeech and meacorpus must not be used together" in verdict("emospeech", data, tmp_path, reader)


def test_a_clip_that_two_folds_of_emobox_test(reader, tmp_path):
    data = miniature("emobox:savee", tmp_path)
    paths = [tmp_path / f"{fold}.csv" for fold in (1, 2)]
    for path in paths:
        write_manifest(path, data)
    with pytest.raises(UserError, match="is tested in fold-1 and in fold-2"):
        evaluate_protocol("emobox:savee", "gemma-text", paths, reader, ProtocolSettings(partial=True))


def test_one_id_in_two_manifests(reader, tmp_path):
    data = miniature("lssed", tmp_path)
    paths = [tmp_path / f"{fold}.csv" for fold in (1, 2)]
    write_manifest(paths[0], data)
    write_manifest(paths[1], data[16:])
    with pytest.raises(UserError, match="is in 2 of the manifests"):
        evaluate_protocol("lssed", "gemma-text", paths, reader, ProtocolSettings(partial=True))


def test_a_recording_that_emobox_lists_twice_in_training_is_told(reader, tmp_path):
    """PAVOQUE's lists have some under two emotions; the draw may part them, and no tested clip is touched by it."""
    data = miniature("emobox:savee", tmp_path)
    train = [u for u in data if u.split == "train"]
    kept, drawn = emobox.draw_validation(train)
    shutil.copy(kept[0].audio, drawn[0].audio)
    assert "give --out DIR" in verdict("emobox:savee", data, tmp_path, reader)
    fold = Fold("fold-1", kept, drawn, ())
    assert check_folds([fold], None, "drawn")[-1].endswith("are in training, too, listed twice: 1.")
    shutil.copy(data[16].audio, drawn[1].audio)
    assert "is in val and in test" in verdict("emobox:savee", data, tmp_path, reader)


def test_what_a_published_list_has_on_two_sides_is_counted_and_one_more_is_refused(tmp_path):
    data = miniature("emobox:savee", tmp_path)
    train, test = [u for u in data if u.split == "train"], [u for u in data if u.split == "test"]
    for one, other in zip(train[:2], test[:2], strict=True):
        shutil.copy(one.audio, other.audio)
    fold = Fold("fold-1", tuple(train), (), tuple(test))
    note = "Tested recordings that are learned from, too, as the published lists have them: 2."
    assert check_folds([fold], shared_recordings=2) == [note]
    with pytest.raises(UserError, match="one recording, as "):
        check_folds([fold], shared_recordings=1)
    assert find_protocol("emobox:pavoque").shared_recordings == 70
    assert find_protocol("emobox:savee").shared_recordings == 0
