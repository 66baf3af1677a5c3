"""Adaptation without labels: statistics of the recordings at hand, drawn towards those of the training set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from emosllm.errors import UserError
from emosllm.inference.adaptation import (
    HALF_WEIGHT_RECORDINGS,
    MAX_RECORDINGS,
    MIN_RECORDINGS,
    Session,
    adapted_temperature,
    blend_statistics,
)
from emosllm.inference.recogniser import Recogniser, as_utterance
from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.hidden_states import HiddenStates, Statistics

CLIPS = [tiny.clip(0.5, seed) for seed in range(MIN_RECORDINGS + 1)]


def system(root: Path, *overrides: str) -> Recogniser:
    torch.manual_seed(0)
    recipe = tiny.recipe(root, "emosllm", "inference.strategy=ser", *overrides)
    return Recogniser(build_model(recipe).eval(), build_processor(recipe))


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    chosen = ("encoder.layers=weighted", "encoder.normalise=statistics")
    return system(tmp_path_factory.mktemp("adapt"), *chosen)


TRAINED = Statistics(torch.zeros(2, 3), torch.ones(2, 3), 100)


def normalised_by(statistics: Statistics, clip: torch.Tensor) -> torch.Tensor:
    states = HiddenStates(3, 2, weighted=True, normalise="statistics")
    states.statistics = statistics
    return states(clip[None], torch.ones(1, len(clip), dtype=torch.bool))[0]


def test_the_weight_grows_with_the_number_of_recordings() -> None:
    clips = [torch.randn(9, 2, 3) * 2 + 5 for _ in range(40)]
    adaptation = Session(TRAINED, 1.0).add_all(clips)
    weight = 40 / (40 + HALF_WEIGHT_RECORDINGS)
    assert (adaptation.recordings, adaptation.weight) == (40, weight)
    found = Statistics.of(clips)
    torch.testing.assert_close(adaptation.statistics.mean, weight * found.mean)
    torch.testing.assert_close(adaptation.statistics.deviation, found.deviation**weight)
    assert Session(TRAINED, 1.0).add_all(clips[:MIN_RECORDINGS]).weight < weight


def test_moved_frames_are_read_as_if_the_system_had_the_other_statistics() -> None:
    trained = Statistics(torch.randn(2, 3), torch.rand(2, 3) + 0.5, 100)
    clips = [torch.randn(9, 2, 3) * 2 + 5 for _ in range(9)]
    adaptation = Session(trained, 1.0).add_all(clips)
    moved = torch.from_numpy(adaptation.apply(clips[0].numpy()))
    expected = normalised_by(adaptation.statistics, clips[0])
    torch.testing.assert_close(normalised_by(trained, moved), expected, rtol=1e-4, atol=1e-5)


def test_too_few_recordings_change_nothing() -> None:
    clips = [torch.randn(9, 2, 3) + 5] * (MIN_RECORDINGS - 1)
    adaptation = Session(TRAINED, 1.0).add_all(clips)
    assert (adaptation.recordings, adaptation.weight) == (MIN_RECORDINGS - 1, 0.0)
    assert np.array_equal(adaptation.apply(clips[0].numpy()), clips[0].numpy())


def test_no_more_recordings_are_heard_than_are_of_use() -> None:
    heard = 0

    def clips() -> Iterator[torch.Tensor]:
        nonlocal heard
        while True:
            heard += 1
            yield torch.randn(4, 2, 3)

    session = Session(TRAINED, 1.0)
    assert session.add_all(clips()).recordings == MAX_RECORDINGS == heard
    session.add(torch.randn(4, 2, 3))
    assert session.adaptation.recordings == MAX_RECORDINGS


def test_blending_goes_from_one_end_to_the_other() -> None:
    trained = Statistics(torch.zeros(1, 2), torch.ones(1, 2), 100)
    found = Statistics(torch.full((1, 2), 4.0), torch.full((1, 2), 9.0), 20)
    for weight, mean, deviation in ((0.0, 0.0, 1.0), (0.5, 2.0, 3.0), (1.0, 4.0, 9.0)):
        between = blend_statistics(trained, found, weight)
        assert between.mean[0, 0] == pytest.approx(mean)
        assert between.deviation[0, 0] == pytest.approx(deviation)


def test_the_temperature_follows_the_weight() -> None:
    assert adapted_temperature(2.0, None, 0.7) == 2.0
    assert adapted_temperature(4.0, 1.0, 0.5) == pytest.approx(2.0)


def test_a_system_is_adapted_and_goes_back(normalised: Recogniser) -> None:
    plain = [normalised(clip).probabilities for clip in CLIPS]
    first = normalised.adapt(CLIPS)
    adapted = [normalised(clip).probabilities for clip in CLIPS]
    assert first.weight > 0
    assert plain != adapted
    assert normalised.note == first.note
    assert normalised.adapt(CLIPS) == first  # from the training set's statistics again, not from the adapted ones
    assert [normalised(clip).probabilities for clip in CLIPS] == adapted
    normalised.adapt(CLIPS[:1])
    again = [normalised(clip).probabilities for clip in CLIPS]
    for one, other in zip(again, plain, strict=True):
        assert one == pytest.approx(dict(other), abs=1e-6)


def test_a_session_adapts_to_its_own_recordings_as_they_come(normalised: Recogniser) -> None:
    normalised.adapt(CLIPS[:1])  # adapts to nothing
    ours, theirs = normalised.session(), normalised.session()
    utterances = [as_utterance(clip) for clip in CLIPS]
    for _ in range(2):  # the others' recordings stand in the same batches
        mixed = [each for utterance in utterances for each in (utterance, utterances[0], utterance)]
        clips = zip(normalised.reader().read(mixed), [ours, theirs, None] * len(utterances), strict=True)
        found = [p for _, p in normalised.recognise((replace(clip, session=session) for clip, session in clips), 6)]
    assert ours.adaptation.recordings == 2 * len(CLIPS)
    plain = [normalised(clip).probabilities for clip in CLIPS]
    assert [each.probabilities for each in found[2::3]] == [pytest.approx(dict(each), abs=1e-5) for each in plain]
    normalised.adapt(CLIPS * 2)
    assert found[-3].probabilities == pytest.approx(dict(normalised(CLIPS[-1]).probabilities), abs=1e-5)
    assert found[-3].probabilities != pytest.approx(dict(plain[-1]), abs=1e-5)


def test_recordings_that_cannot_be_read_are_left_out(normalised: Recogniser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    assert normalised.adapt([*CLIPS, bad, np.zeros(3, np.float32)]).recordings == len(CLIPS)


def test_a_system_without_statistics_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be adapted.*encoder\.normalise=statistics"):
        system(tmp_path).adapt(CLIPS)
