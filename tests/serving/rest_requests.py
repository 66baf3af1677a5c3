"""A request for emotions, and the one line of an error."""


def ask(client, audio, name="clip.flac", **fields):
    return client.post("/v1/emotions", files={"file": (name, audio)}, data=fields)


def line_of(answer, status):
    """The one line of an error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type"}
    assert "\n" not in body["error"]["message"]
    return body["error"]["message"]
