"""Predictions that are read from `predictions.jsonl` equal those that were written, with free answers and errors."""

import json

import pytest

from emosllm.evaluation.answers import prediction_of
from emosllm.utterance import Prediction


@pytest.mark.parametrize(
    "prediction",
    [
        Prediction("a.wav", "sad", {"sad": 0.75, "happy": 0.25}, "oh"),
        Prediction("a.wav", "neutral", said="I can not tell", unnamed=True),
        Prediction("a.wav", error="a.wav: no sound"),
    ],
)
def test_round_trip(prediction):
    assert prediction_of(json.loads(json.dumps(prediction.to_dict()))) == prediction
