"""Protocols: counts, folds and classes equal the published ones on miniatures; wrong counts are errors or warnings."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from letters import texts

from emosllm.corpora.readers import emospeech, iemocap
from emosllm.errors import UserError
from emosllm.experiments.data.leakage import check_folds
from emosllm.experiments.protocols import catalogue
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.protocols.protocol import apply_protocol
from emosllm.labels import LABEL_SETS
from emosllm.prompting.prompt_template import check_templates, load_templates
from emosllm.recipe import load_recipe, recipe_names
from emosllm.utterance import Utterance

NINE, FOUR = LABEL_SETS["msp9"], LABEL_SETS["iemocap4"]


def all_of_iemocap():
    """As many turns of each emotion and session as IEMOCAP has: the four classes of the papers, and frustration."""
    sessions = iemocap.CARD.sessions["iemocap4"]
    left = {name: iemocap.CARD.emotions[name] for name in ("neutral", "angry", "sad", "excited", "happy")}
    words = [name for name, count in left.items() for _ in range(count)]
    places = [session for session, count in sessions.items() for _ in range(count)]
    found = []
    for index, (word, session) in enumerate(zip(words, sorted(places), strict=True)):
        speaker = f"{session}{'FM'[index % 2]}"
        found.append(Utterance(f"turn{index}", emotion=word, speaker=speaker, session=session, corpus="iemocap"))
    return [*found, replace(found[0], id="frustrated", emotion="frustrated")]


def spanish(train=3000, test=750, labelled=True):
    data = texts(train, 0, "emospeech", "train")
    return [
        *data,
        *(replace(u, emotion=u.emotion if labelled else None) for u in texts(test, 0, "emospeech", "test", train)),
    ]


def test_iemocap_leaves_one_session_out():
    data = all_of_iemocap()
    laid = apply_protocol(find_protocol("iemocap-loso"), data, NINE, has_audio=True)
    assert laid.labels == FOUR
    assert {fold.name: len(fold.test) for fold in laid.folds} == {
        "fold-iemocap_1": 1085, "fold-iemocap_2": 1023, "fold-iemocap_3": 1151, "fold-iemocap_4": 1031,
        "fold-iemocap_5": 1241,
    }  # fmt: skip
    assert sum(len(fold.test) for fold in laid.folds) == 5531
    assert not laid.partial
    assert check_folds(laid.folds) == []
    assert "1 of 5532 clips have no class of iemocap4 and are not tested." in laid.notes


def test_iemocap_by_speaker_has_ten_folds():
    laid = apply_protocol(find_protocol("iemocap-speakers"), all_of_iemocap(), NINE, has_audio=True)
    assert len(laid.folds) == 10
    assert all(len({u.speaker for u in fold.test}) == 1 for fold in laid.folds)
    assert check_folds(laid.folds) == []


def test_a_missing_turn_is_a_wrong_count_and_partial_says_so():
    data = all_of_iemocap()[1:]
    with pytest.raises(UserError, match=r"iemocap-loso: .*neutral 1707 \(complete: 1708\).*Use --partial to continue"):
        apply_protocol(find_protocol("iemocap-loso"), data, NINE, has_audio=True)
    laid = apply_protocol(find_protocol("iemocap-loso"), data, NINE, has_audio=True, partial=True)
    assert laid.partial
    assert laid.notes[0].startswith("PARTIAL, not comparable with published figures: IEMOCAP")


def test_the_speaker_read_from_the_dialogue_instead_of_the_turn_is_a_leak_by_speaker():
    """The letter after the session is not the speaker: it also gives ten names, but other assignments."""
    data = [replace(u, speaker=f"iemocap_{1 + i % 5}F") for i, u in enumerate(all_of_iemocap())]
    laid = apply_protocol(find_protocol("iemocap-loso"), data, NINE, has_audio=True, partial=True)
    with pytest.raises(UserError, match="speaker iemocap_1F is in train and in test"):
        check_folds(laid.folds)


def test_emospeech_in_five_folds_and_its_official_test():
    laid = apply_protocol(find_protocol("emospeech-cv"), spanish(test=0), NINE, has_audio=False)
    assert [len(fold.test) for fold in laid.folds] == [600] * 5
    assert laid.labels == LABEL_SETS["ekman6"]
    assert all(set(Counter(u.emotion for u in fold.test).values()) == {150} for fold in laid.folds)
    (note,) = check_folds(laid.folds)
    assert "name no speakers" in note
    (fold,) = apply_protocol(find_protocol("emospeech"), spanish(), NINE, has_audio=False).folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (3000, 0, 750)
    assert emospeech.CARD.splits == {"train": 3000, "test": 750}


def test_emospeech_without_test_labels_can_not_be_scored():
    with pytest.raises(UserError, match="the test clips have no labels"):
        apply_protocol(find_protocol("emospeech"), spanish(labelled=False), NINE, has_audio=False)


def test_emospeech_is_not_mixed_with_meacorpus():
    mixed = [*spanish(test=0), *texts(8, 0, "meacorpus", "train")]
    laid = apply_protocol(find_protocol("emospeech-cv"), mixed, NINE, has_audio=False)
    with pytest.raises(UserError, match="emospeech and meacorpus must not be used together"):
        check_folds(laid.folds)


@pytest.mark.parametrize(("has_audio", "lost", "right"), [(False, 0, True), (False, 1, False), (True, 1, True)])
def test_melds_broken_clips_may_be_missing_for_systems_with_audio(has_audio, lost, right):
    data = [
        replace(u, speaker=f"meld_{i % 6}", split=split)
        for split, count in (("train", 9989 - lost), ("val", 1109 - lost), ("test", 2610))
        for i, u in enumerate(texts(count, 0, f"meld-{split}"))
    ]
    data = [replace(u, corpus="meld") for u in data]
    protocol = find_protocol("meld")
    if not right:
        with pytest.raises(UserError, match=r"MELD: splits: train 9988 \(complete: 9989\)"):
            apply_protocol(protocol, data, NINE, has_audio)
        return
    (fold,) = apply_protocol(protocol, data, NINE, has_audio).folds
    assert len(fold.test) == 2610
    assert any("6 of the tested ones" in note for note in check_folds([fold], protocol.shared_speakers))
    with pytest.raises(UserError, match="speaker meld_0 is in train and in val"):
        check_folds([fold])


def official(corpus):
    return [
        replace(u, corpus=corpus, speaker=f"{split} {i % 3}")
        for split in ("train", "val", "test")
        for i, u in enumerate(texts(12, 0, f"{corpus}-{split}", split))
    ]


@pytest.mark.parametrize(("name", "labels"), [("msp-podcast", "msp9"), ("msp-podcast-8", "msp8")])
def test_msp_podcast_is_chosen_on_its_development_set_and_learns_from_other_corpora_too(name, labels):
    other = texts(8, 2, "librispeech", "train") + texts(4, 2, "librispeech", "test", 8)
    laid = apply_protocol(find_protocol(name), [*official("msp_podcast"), *other], FOUR, has_audio=True)
    (fold,) = laid.folds
    assert laid.labels == LABEL_SETS[labels]
    assert (len(fold.train), len(fold.val), len(fold.test)) == (12 + 8, 12, 12)
    assert "Other corpora are also in training: 8 of librispeech." in laid.notes
    assert any("name the release" in note for note in laid.notes)


def test_cross_corpus_learns_from_one_and_tests_the_other():
    data = [*official("one"), *(u for u in official("other") if u.emotion != "sad")]
    laid = apply_protocol(find_protocol("cross-corpus:other"), data, NINE, has_audio=False)
    (fold,) = laid.folds
    assert {u.corpus for u in (*fold.train, *fold.val)} == {"one"}
    assert (len(fold.train), len(fold.val), len(fold.test)) == (12, 9, 9)  # the test split, without a sad clip
    assert {(u.corpus, u.split) for u in fold.test} == {("other", "test")}
    assert laid.labels.names == ("angry", "happy", "neutral")
    whole = [replace(u, split=None) for u in data if u.corpus == "other"]
    assert len(apply_protocol(find_protocol("cross-corpus:other"), whole, NINE, has_audio=False).folds[0].test) == 27


def test_emobox_counts_its_lists_and_allows_the_speakers_that_they_share(monkeypatch):
    card = catalogue.emobox.card("tess")
    monkeypatch.setattr(catalogue.emobox, "card", lambda corpus: replace(card, expected=36))
    shared = [replace(u, speaker="tess_OAF") for u in official("tess") if u.split != "val"]
    protocol = find_protocol("emobox:tess")
    with pytest.raises(UserError, match="24 utterances, the complete corpus has 36"):
        apply_protocol(protocol, shared, FOUR, has_audio=False)
    laid = apply_protocol(protocol, shared, FOUR, has_audio=False, partial=True)
    assert check_folds(laid.folds, protocol.shared_speakers)[-1].endswith("EmoBox's published lists have them so.")
    assert laid.labels == LABEL_SETS["emobox_tess"]
    assert find_protocol("emobox:iemocap").shared_speakers is None


def test_emobox_trains_in_the_corpus_own_classes_and_notes_classes_that_a_trained_system_lacks(monkeypatch):
    card = catalogue.emobox.card("emodb")
    monkeypatch.setattr(catalogue.emobox, "card", lambda corpus: replace(card, expected=24))
    data = [
        replace(u, split="test" if u.split == "test" else "train")
        for u in official("emodb")[:8] + official("emodb")[20:]
    ]
    bored = [replace(u, emotion="bored" if u.emotion == "sad" else u.emotion) for u in data]
    laid = apply_protocol(find_protocol("emobox:emodb"), bored, FOUR, has_audio=False)
    assert "bored" in laid.labels.names
    assert sum(u.emotion == "bored" for u in laid.folds[0].test) == 3
    with pytest.raises(UserError, match="label set emobox_emodb has no class for 6 bored"):
        apply_protocol(find_protocol("emobox:emodb"), bored, FOUR, has_audio=False, as_it_is=True)
    laid = apply_protocol(find_protocol("emobox:emodb"), bored, FOUR, has_audio=False, partial=True, as_it_is=True)
    assert laid.labels.names == FOUR.names
    assert laid.notes[0].startswith("PARTIAL")


def test_emobox_draws_its_validation_part_as_its_recipe_means_to():
    data = texts(40, 4, "savee", "train") + texts(8, 2, "other", "test", 40)
    data = [replace(u, corpus="savee") for u in data]
    protocol = find_protocol("emobox:savee")
    (fold,) = apply_protocol(protocol, data, FOUR, has_audio=False, partial=True).folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (32, 8, 8)
    assert {u.id for u in (*fold.train, *fold.val)} == {u.id for u in data[:40]}
    order = list(range(40))
    random.Random(1993).shuffle(order)  # as `random.seed(1993); random.shuffle(numpy.arange(40))` does
    assert [u.id for u in (*fold.train, *fold.val)] == [data[place].id for place in order]
    assert any(u.speaker in {v.speaker for v in fold.val} for u in fold.train)
    check_folds([fold], protocol.shared_speakers, protocol.drawn_validation)
    with pytest.raises(UserError, match="is in train and in val"):
        check_folds([fold], protocol.shared_speakers)
    tested = replace(fold.test[0], speaker=fold.val[0].speaker)
    with pytest.raises(UserError, match="is in val and in test"):
        check_folds([replace(fold, train=(), test=(tested, *fold.test[1:]))], None, protocol.drawn_validation)


def test_emobox_keeps_an_official_validation_list():
    protocol = find_protocol("emobox:meld")
    assert protocol.drawn_validation is None
    (fold,) = apply_protocol(protocol, official("meld"), FOUR, has_audio=False, partial=True).folds
    assert {u.id for u in fold.val} == {u.id for u in official("meld") if u.split == "val"}


@pytest.mark.parametrize("corpus", catalogue.emobox.CORPORA)
def test_every_corpus_of_emobox_has_classes_that_every_recipe_can_say(corpus):
    protocol = find_protocol(f"emobox:{corpus}")
    for name in recipe_names():
        if not load_recipe(name).phases or load_recipe(name).inference.fallback is not None:
            continue  # published systems have their own classes; the fallback neutral is not in every label set
        recipe = load_recipe(name, [f"labels={protocol.labels}"])
        check_templates(recipe)
        if recipe.prompt is not None:
            said = [load_templates(recipe.prompt.templates).code(emotion) for emotion in recipe.label_set.names]
            assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("iemocap", "unknown protocol 'iemocap': known are msp-podcast, .*cross-corpus:CORPUS"),
        ("emobox", "unknown protocol 'emobox'"),
        ("emobox:friends", "EmoBox has no corpus 'friends'"),
    ],
)
def test_unknown_protocols_name_the_known(name, words):
    with pytest.raises(UserError, match=words):
        find_protocol(name)


def test_data_of_other_corpora_are_refused():
    with pytest.raises(UserError, match="tests meld, and the data have letters; `emosllm prepare meld"):
        apply_protocol(find_protocol("meld"), texts(), NINE, has_audio=False)
