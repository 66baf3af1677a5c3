"""OpenAI's routes: one model by its name; a model or an option without an effect is named in the answer."""

import pytest


@pytest.fixture(scope="module")
def talkers(serve, talker, nano):
    with serve(systems={"talker": talker, "nano": nano}) as client:
        yield client


def transcribe(client, clip, **fields):
    return client.post("/v1/audio/transcriptions", files={"file": ("clip.flac", clip)}, data=fields)


def test_one_model_by_its_name(talkers):
    listed = {model["id"]: model for model in talkers.get("/v1/models").json()["data"]}
    for name in ("talker", "nano"):
        assert talkers.get(f"/v1/models/{name}").json() == listed[name]
    for name in ("none", "nano/", "org/name", "%00", "n" * 5000):
        answer = talkers.get(f"/v1/models/{name}")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"].endswith("is not served here; there is talker, nano")
        assert len(answer.text) < 400


def test_openais_client_retrieves_a_model(talkers):
    openai = pytest.importorskip("openai", reason="openai is not installed")
    httpx = pytest.importorskip("httpx", reason="httpx is not installed")

    def passed_on(request):
        answer = talkers.request(request.method, request.url.path, headers={"Accept": "application/json"})
        return httpx.Response(answer.status_code, json=answer.json())

    known = httpx.Client(transport=httpx.MockTransport(passed_on))
    client = openai.OpenAI(base_url="http://testserver/v1", api_key="none", max_retries=0, http_client=known)
    assert client.models.retrieve("nano").id == "nano"
    with pytest.raises(openai.NotFoundError, match="model 'none' is not served here"):
        client.models.retrieve("none")


def test_a_model_that_is_not_served_is_named(talkers, clip):
    assert set(transcribe(talkers, clip, model="talker").json()) == {"text"}
    answer = transcribe(talkers, clip, model="whisper-1")
    assert answer.json()["model"] == "talker"
    for kind in ("json", "text", "srt", "vtt", "verbose_json"):
        answer = transcribe(talkers, clip, model="whisper-1", response_format=kind)
        assert answer.headers["x-emosllm-model"] == "talker", kind


def test_options_without_an_effect_are_named(talkers, clip):
    sent = {"temperature": "0.5", "prompt": "So.", "language": "en", "colour": "red", "include[]": "logprobs"}
    expected = ["language", "colour", "include", "prompt", "temperature"]
    for kind in ("json", "verbose_json"):
        assert transcribe(talkers, clip, response_format=kind, **sent).json()["ignored"] == expected
    for kind in ("json", "text", "srt", "vtt", "verbose_json"):
        answer = transcribe(talkers, clip, response_format=kind, **sent)
        assert answer.headers["x-emosllm-ignored"] == ", ".join(expected), kind
    assert "x-emosllm-ignored" not in transcribe(talkers, clip).headers


@pytest.mark.parametrize("path", ["/v1/emotions", "/v1/audio/transcriptions"])
def test_options_in_the_address_are_refused(talkers, clip, path):
    answer = talkers.post(path, params={"segments": "true"}, files={"file": clip})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == "this route takes no query: send options as fields of the form"
