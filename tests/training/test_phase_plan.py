"""The plan of a phase: shares, balance and epochs as in the recipe, deterministic for a seed."""

from collections import Counter

import pytest

from emosllm.errors import UserError
from emosllm.labels import label_set
from emosllm.recipe import load_recipe
from emosllm.recipe_parts import Optimiser, Phase
from emosllm.training.phase_plan import PlannedSample, by_length, plan_phase, plan_phases
from emosllm.utterance import Utterance

LABELS = label_set("iemocap4")


def phase(epochs=1, corpora=None, **tasks):
    return Phase(
        learns=["mapper"],
        tasks=tasks,
        corpora=corpora,
        epochs=epochs,
        optimiser=Optimiser(learning_rate=1e-3, batch_size=4),
    )


def speech(count, emotion="happy", transcript="kids", corpus="one"):
    return [
        Utterance(f"{corpus}-{emotion}-{i}", emotion=emotion, transcript=transcript, corpus=corpus)
        for i in range(count)
    ]


def plan(what, utterances, seed=(0, 1), balance=False):
    return plan_phase("p1", what, utterances, LABELS, seed, balance)


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ({"asr": 1}, {"asr": 40}),
        ({"asr": 1, "ser": 0}, {"asr": 40}),
        ({"asr": 0.5, "ser": 0.25, "joint": 0.25}, {"asr": 20, "ser": 10, "joint": 10}),
        ({"asr": 3, "joint": 1}, {"asr": 30, "joint": 10}),
    ],
)
def test_tasks_get_their_shares(shares, counts):
    assert Counter(item.task for item in plan(phase(**shares), speech(40))) == counts


@pytest.mark.parametrize(("epochs", "length"), [(1, 10), (3, 30), (0.5, 5)])
def test_an_epoch_is_every_utterance_once(epochs, length):
    used = Counter(item.utterance for item in plan(phase(epochs, asr=1), speech(10)))
    assert used.total() == length
    assert max(used.values()) - min(used.get(index, 0) for index in range(10)) <= 1


def test_order_is_drawn_from_the_seed_alone():
    utterances = speech(30)
    first, again, other = (plan(phase(asr=1, ser=1), utterances, seed) for seed in ((0, 1), (0, 1), (0, 2)))
    assert first == again
    assert first != other
    assert [item.utterance for item in first] != sorted(item.utterance for item in first)


def test_balance_draws_every_class_of_every_corpus_equally_often():
    utterances = [*speech(20, "happy"), *speech(4, "sad"), *speech(3, "sad", corpus="two"), *speech(1, "angry")]
    found = plan(phase(4, ser=1), utterances, balance=True)
    used = Counter((utterances[item.utterance].corpus, utterances[item.utterance].emotion) for item in found)
    assert set(used.values()) == {28}
    each = Counter(item.utterance for item in found)
    assert max(each[index] for index in range(20)) - min(each[index] for index in range(20)) <= 1


def test_balance_leaves_speech_recognition_as_it_is():
    utterances = [*speech(30, "happy"), *speech(10, "sad")]
    used = Counter(utterances[item.utterance].emotion for item in plan(phase(asr=1), utterances, balance=True))
    assert used == {"happy": 30, "sad": 10}


@pytest.mark.parametrize(("task", "fitting"), [("asr", {0, 2}), ("ser", {0, 1, 3}), ("joint", {0})])
def test_each_task_takes_only_what_fits_it(task, fitting):
    utterances = [
        *speech(1),
        *speech(1, transcript=None),
        *speech(1, emotion="contempt"),  # no class of this label set
        *speech(1, emotion="excited", transcript=""),  # merged into happy
    ]
    assert {item.utterance for item in plan(phase(4, **{task: 1}), utterances)} == fitting


def test_only_the_named_corpora_are_used():
    utterances = [*speech(5, corpus="one"), *speech(5, corpus="two"), *speech(5, corpus=None)]
    assert {item.utterance for item in plan(phase(corpora=["two"], ser=1), utterances)} == set(range(5, 10))


def test_a_small_share_has_at_least_one_sample():
    assert PlannedSample(0, "ser") in plan(phase(asr=1, ser=0.001), [*speech(1), *speech(9, emotion=None)])


@pytest.mark.parametrize(
    ("what", "utterances", "words"),
    [
        (
            phase(corpora=["msp-podcast"], joint=1),
            speech(3),
            ("'joint'", "msp-podcast", "in the data: one", "p1.corpora"),
        ),
        (phase(asr=1), speech(3, transcript=None), ("phase p1", "a transcript", "'asr'", "phases.p1.tasks")),
        (phase(asr=1, ser=1), speech(3, emotion=None), ("an emotion", "'ser'")),
        (phase(asr=1), speech(1, corpus=None, transcript=None), ("(none)",)),
    ],
)
def test_a_phase_without_speech_names_what_it_lacks_and_the_way_out(what, utterances, words):
    with pytest.raises(UserError) as error:
        plan(what, utterances)
    assert all(word in str(error.value) for word in words), str(error.value)


def padding(items, utterances, micro):
    """The number of characters with padding to the longest of each forward pass."""
    lengths = [len(utterances[item.utterance].transcript) for item in items]
    rows = [lengths[start : start + micro] for start in range(0, len(lengths), micro)]
    return sum(max(row) * len(row) - sum(row) for row in rows)


def test_an_update_keeps_its_samples_and_pads_less():
    utterances = [Utterance(str(n), emotion="sad", transcript="a" * (7 * n % 50 + 1)) for n in range(64)]
    drawn = plan(phase(epochs=2, asr=1), utterances)
    ordered = by_length(drawn, utterances, 32, reads=False, tokens_a_second=0.0)
    for start in range(0, len(drawn), 32):
        assert Counter(ordered[start : start + 32]) == Counter(drawn[start : start + 32])
    assert padding(ordered, utterances, 4) < 0.3 * padding(drawn, utterances, 4)


def test_clips_weigh_by_their_seconds_where_these_cost_something():
    utterances = [Utterance(str(n), emotion="sad", transcript="same", duration=float(n * 5 % 8)) for n in range(8)]
    drawn = plan(phase(ser=1), utterances)
    assert by_length(drawn, utterances, 8, reads=False, tokens_a_second=0.0) == drawn
    ordered = by_length(drawn, utterances, 8, reads=False, tokens_a_second=50.0)
    assert [utterances[item.utterance].duration for item in ordered] == sorted(map(float, range(8)))


@pytest.mark.parametrize(("micro", "same"), [(4, True), (2, False)])
def test_a_forward_pass_that_is_an_update_keeps_its_order(micro, same):
    utterances = [
        Utterance(str(n), emotion="sad", transcript="a" * (n * 3 % 8 + 1), corpus="librispeech") for n in range(8)
    ]
    recipe = load_recipe("emosllm", (f"training.micro_batch={micro}",))
    phases = {"p1": phase(asr=1)}  # batches of four
    drawn = plan_phase("p1", phases["p1"], utterances, recipe.label_set, (recipe.training.seed, 1))
    assert (plan_phases(recipe.model_copy(update={"phases": phases}), utterances)["p1"] == drawn) == same
