"""Sessions: each client's recordings adapt its own answers, and are forgotten."""

import pytest
import tiny
import torch

from emosllm.inference.adaptation import MIN_RECORDINGS, Session
from emosllm.inference.recogniser import Recogniser
from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.hidden_states import Statistics
from emosllm.serving.sessions import Sessions


def new() -> Session:
    return Session(Statistics(torch.zeros(1, 2), torch.ones(1, 2), 9), 1.0)


def test_a_session_is_forgotten_after_its_time_and_the_oldest_makes_room():
    now = [0.0]
    sessions = Sessions(most=2, seconds=10, clock=lambda: now[0])
    one, two = sessions.get("one", new), sessions.get("two", new)
    assert sessions.get("one", new) is one
    sessions.get("three", new)
    assert len(sessions) == 2
    assert sessions.get("one", new) is one
    assert sessions.get("two", new) is not two
    now[0] = 11
    assert sessions.get("one", new) is not one
    assert len(sessions) == 1


def ask(client, audio, **fields):
    return client.post("/v1/emotions", files={"file": ("clip.flac", audio)}, data=fields)


def test_answers_of_a_session_adapt_and_others_do_not(client, clip):
    plain = ask(client, clip).json()
    assert plain["adapted"] is None
    found = [ask(client, clip, session="room 1").json() for _ in range(MIN_RECORDINGS)]
    assert [answer["adapted"]["recordings"] for answer in found] == list(range(1, MIN_RECORDINGS + 1))
    assert [answer["adapted"]["weight"] > 0 for answer in found] == [False] * (MIN_RECORDINGS - 1) + [True]
    assert found[0]["emotion"]["probabilities"] == pytest.approx(plain["emotion"]["probabilities"], abs=1e-3)
    assert found[-1]["emotion"]["probabilities"] != pytest.approx(plain["emotion"]["probabilities"], abs=1e-3)
    assert ask(client, clip).json()["emotion"] == plain["emotion"]
    assert ask(client, clip, session="room 2").json()["adapted"]["recordings"] == 1


def test_the_turns_of_a_long_recording_adapt_as_they_come(client, long_clip):
    answer = ask(client, long_clip, segments="true", session="interview").json()
    assert answer["adapted"]["recordings"] == len(answer["segments"])


def test_a_system_that_cannot_be_adapted_says_so(serve, tmp_path, clip):
    recipe = tiny.recipe(tmp_path, "emosllm", "inference.strategy=ser")
    plain = Recogniser(build_model(recipe).eval(), build_processor(recipe))
    with serve(systems={"plain": plain}) as client:
        answer = ask(client, clip, session="room 1")
    assert answer.status_code == 422
    assert "cannot be adapted" in answer.text
