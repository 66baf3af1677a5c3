"""Adaptation without labels: statistics of the recordings at hand, drawn towards those of the training set."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from emosllm.errors import UserError
from emosllm.inference.adaptation import FEWEST, HALF, MOST, adapt, adapted_temperature, blended
from emosllm.inference.recogniser import Recogniser
from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.hidden_states import HiddenStates, Statistics

CLIPS = [tiny.clip(0.5, seed) for seed in range(FEWEST + 1)]


def system(root: Path, *overrides: str) -> Recogniser:
    torch.manual_seed(0)
    recipe = tiny.recipe(root, "emosllm", "inference.strategy=ser", *overrides)
    return Recogniser(build_model(recipe).eval(), build_processor(recipe))


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    chosen = ("encoder.layers=weighted", "encoder.normalise=statistics")
    return system(tmp_path_factory.mktemp("adapt"), *chosen)


def states_of(width: int = 3) -> tuple[HiddenStates, Statistics]:
    states = HiddenStates(width, 2, weighted=True, normalise="statistics")
    assert states.statistics is not None
    return states, states.statistics


def test_the_weight_grows_with_the_number_of_recordings() -> None:
    states, trained = states_of()
    clips = [torch.randn(9, 2, 3) * 2 + 5 for _ in range(40)]
    count, weight = adapt(states, trained, clips)
    assert (count, weight) == (40, 40 / (40 + HALF))
    found = Statistics.of(clips)
    torch.testing.assert_close(states.mean, weight * found.mean)
    torch.testing.assert_close(states.deviation, found.deviation**weight)
    assert adapt(states, trained, clips[:FEWEST])[1] < weight


def test_too_few_recordings_change_nothing() -> None:
    states, trained = states_of()
    count, weight = adapt(states, trained, [torch.randn(9, 2, 3) + 5] * (FEWEST - 1))
    assert (count, weight) == (FEWEST - 1, 0.0)
    assert torch.equal(states.mean, trained.mean)
    assert torch.equal(states.deviation, trained.deviation)


def test_no_more_recordings_are_heard_than_are_of_use() -> None:
    states, trained = states_of()
    heard = 0

    def clips() -> object:
        nonlocal heard
        while True:
            heard += 1
            yield torch.randn(4, 2, 3)

    assert adapt(states, trained, clips())[0] == MOST == heard  # type: ignore[arg-type]


def test_blending_goes_from_one_end_to_the_other() -> None:
    trained = Statistics(torch.zeros(1, 2), torch.ones(1, 2), 100)
    found = Statistics(torch.full((1, 2), 4.0), torch.full((1, 2), 9.0), 20)
    for weight, mean, deviation in ((0.0, 0.0, 1.0), (0.5, 2.0, 3.0), (1.0, 4.0, 9.0)):
        between = blended(trained, found, weight)
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
    assert normalised.notes[-1] == first.note
    assert normalised.adapt(CLIPS) == first  # from the training set's statistics again, not from the adapted ones
    assert [normalised(clip).probabilities for clip in CLIPS] == adapted
    normalised.adapt(CLIPS[:1])
    again = [normalised(clip).probabilities for clip in CLIPS]
    for one, other in zip(again, plain, strict=True):
        assert one == pytest.approx(dict(other), abs=1e-6)


def test_recordings_that_cannot_be_read_are_left_out(normalised: Recogniser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    assert normalised.adapt([*CLIPS, bad, np.zeros(3, np.float32)]).recordings == len(CLIPS)


def test_a_system_without_statistics_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't be adapted.*encoder\.normalise=statistics"):
        system(tmp_path).adapt(CLIPS)
