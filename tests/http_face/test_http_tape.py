"""The file of a cassette: what comes back of what was recorded, and what is never written into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turnout.http import errors
from turnout.http.rules import Failure, Reply
from turnout.http.tape import Tape, is_secret


class Fields(dict[str, str]):
    def multi_items(self) -> list[tuple[str, str]]:
        return list(self.items())


class Message:
    def __init__(self, **fields: Any) -> None:
        self.headers, self.content = Fields(fields.pop("headers", {})), fields.pop("content", b"")
        self.__dict__.update(fields)


def get(url: str = "http://a/b", **more: Any) -> Message:
    return Message(method="GET", url=url, **more)


def test_answers_come_back_in_their_turn_with_their_times(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rates.json"
    recording = Tape(path)
    assert not recording.replays
    recording.record(get(), 0.25, Message(status_code=200, headers={"x": "1", "content-length": "3"}, content=b"one"))
    recording.record(get(), 0.5, Message(status_code=503, content=b"\xff\x00"))
    recording.record(get("http://a/c"), 1.5, error=errors.ReadTimeout("no answer from http://a/c?key=1"))
    recording.save()
    assert [entry.name for entry in path.parent.iterdir()] == ["rates.json"]

    replayed = Tape(path, speed=2)
    assert replayed.replays
    assert len(replayed) == 3
    assert replayed.step_for(get()) == Reply(200, (("x", "1"),), b"one", 0.5)
    assert replayed.step_for(get()) == Reply(503, (), b"\xff\x00", 1.0)
    assert replayed.step_for(get()) == Reply(503, (), b"\xff\x00", 1.0)
    assert replayed.step_for(get("http://a/c")) == Failure(errors.ReadTimeout, "no answer from http://a/c", 3.0)
    assert replayed.step_for(get("http://a/d")) is None
    assert replayed.step_for(Message(method="POST", url="http://a/b")) is None
    assert Tape(path).step_for(get()) == Reply(200, (("x", "1"),), b"one", 0.0)


def test_no_credential_is_written(tmp_path: Path) -> None:
    def login(secret: str) -> Message:
        return Message(
            method="POST",
            url=f"https://me:{secret}@a.example/login?api_key={secret}&city=Rom",
            headers={
                "authorization": f"Bearer {secret}",
                "cookie": f"session={secret}",
                "x-api-key": secret,
                "content-type": "application/json",
            },
            content=json.dumps({"user": "me", "password": secret, "deep": [{"clientSecret": secret}]}).encode(),
        )

    recording = Tape(tmp_path / "c.json")
    recording.record(
        login("s3cret"),
        0.1,
        Message(
            status_code=200,
            headers={"set-cookie": "session=s3cret", "content-type": "application/json; charset=utf-8"},
            content=b'{"access_token": "s3cret", "expires": 3600}',
        ),
    )
    form = Message(
        method="POST",
        url="http://a/",
        headers={"content-type": "application/x-www-form-urlencoded"},
        content=b"grant=x&client_secret=s3cret",
    )
    recording.record(form, 0.1, error=errors.ReadError("from http://u:s3cret@a/?token=s3cret"))
    recording.save()
    written = (tmp_path / "c.json").read_text()
    assert "s3cret" not in written
    assert "city=Rom" in written
    assert '\\"expires\\": 3600' in written

    step = Tape(tmp_path / "c.json").step_for(login("another"))
    assert isinstance(step, Reply)
    assert json.loads(step.content) == {"access_token": "REDACTED", "expires": 3600}  # type: ignore[arg-type]


def test_what_is_written_can_be_chosen(tmp_path: Path) -> None:
    def scrub(interaction: dict[str, Any]) -> dict[str, Any]:
        interaction["request"]["body"] = ""
        return interaction

    recording = Tape(tmp_path / "c.json", scrub=scrub)
    recording.record(get(content=b"card 4711"), 0.1, Message(status_code=204))
    recording.save()
    assert "4711" not in (tmp_path / "c.json").read_text()
    assert Tape(tmp_path / "c.json", scrub=scrub).step_for(get(content=b"card 4712")) == Reply(204)


def test_untouched_json_keeps_its_digits(tmp_path: Path) -> None:
    recording = Tape(tmp_path / "c.json")
    body = b'{"price": 10.00, "id": 123456789012345678901}'
    recording.record(get(), 0, Message(status_code=200, headers={"content-type": "application/json"}, content=body))
    recording.save()
    step = Tape(tmp_path / "c.json").step_for(get())
    assert isinstance(step, Reply)
    assert step.content == body


def test_a_file_that_is_no_cassette_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"version": 2, "interactions": []}', '{"version": 1, "interactions": [{"seconds": 1}]}'):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ValueError, match=r"c\.json is no cassette that can be replayed"):
            Tape(tmp_path / "c.json")
    with pytest.raises(FileNotFoundError, match="mode='record' makes it"):
        Tape(tmp_path / "none.json", mode="replay")
    with pytest.raises(ValueError, match="not 'recrod'"):
        Tape(tmp_path / "c.json", mode="recrod")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="speed="):
        Tape(tmp_path / "none.json", speed=-1)


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Api-Key", "access_token", "accessToken", "password", "Set-Cookie", "sig"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["keyword", "monkey", "city", "passenger", "content-type", "author", "design"])
def test_other_names_are_not_secrets(name: str) -> None:
    assert not is_secret(name)
