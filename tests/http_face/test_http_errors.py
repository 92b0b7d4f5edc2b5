"""Errors of turnout.http: one tree, also Python's own, silent about secrets, and able to travel."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from turnout.http import errors
from turnout.http.status import Status
from turnout.http.summaries import RequestSummary, ResponseSummary, without_secrets
from turnout.http.timings import Timings

CLASSES = sorted(
    {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}, key=str
)
KINDS = Path(__file__).resolve().parents[2] / "crates/turnout-client/src/error.rs"

TREE = {
    "RequestError": ("HTTPError", None),
    "TransportError": ("RequestError", None),
    "TimeoutException": ("TransportError", TimeoutError),
    "ConnectTimeout": ("TimeoutException", TimeoutError),
    "WriteTimeout": ("TimeoutException", TimeoutError),
    "ReadTimeout": ("TimeoutException", TimeoutError),
    "PoolTimeout": ("TimeoutException", TimeoutError),
    "AttemptTimeout": ("TimeoutException", TimeoutError),
    "DeadlineExceeded": ("TimeoutException", TimeoutError),
    "NetworkError": ("TransportError", ConnectionError),
    "DNSError": ("NetworkError", ConnectionError),
    "ConnectError": ("NetworkError", ConnectionError),
    "TLSError": ("NetworkError", ConnectionError),
    "ReadError": ("NetworkError", ConnectionError),
    "WriteError": ("NetworkError", ConnectionError),
    "ProtocolError": ("TransportError", None),
    "LocalProtocolError": ("ProtocolError", None),
    "RemoteProtocolError": ("ProtocolError", None),
    "ProxyError": ("TransportError", None),
    "UnsupportedProtocol": ("TransportError", None),
    "InvalidURL": ("TransportError", ValueError),
    "RejectedError": ("RequestError", None),
    "CircuitOpen": ("RejectedError", None),
    "RateLimited": ("RejectedError", None),
    "Overloaded": ("RejectedError", None),
    "ForbiddenAddress": ("RejectedError", None),
    "DecodingError": ("RequestError", None),
    "JSONDecodeError": ("DecodingError", ValueError),
    "ResponseTooLarge": ("RequestError", None),
    "TooManyRedirects": ("RequestError", None),
    "RequestCancelled": ("RequestError", None),
    "HTTPStatusError": ("HTTPError", None),
}


@pytest.mark.parametrize("name", TREE)
def test_the_tree_is_as_described(name: str) -> None:
    parent, builtin = TREE[name]
    kind = getattr(errors, name)
    assert kind.__bases__[0] is getattr(errors, parent)
    if builtin is not None:
        assert issubclass(kind, builtin)


def test_the_tree_is_whole() -> None:
    assert {kind.__name__ for kind in CLASSES} == {*TREE, "HTTPError"}
    assert {*TREE, "HTTPError"} <= set(errors.__all__)


def test_every_native_kind_has_its_class() -> None:
    listed = re.search(r"pub enum Kind \{(.*?)\n\}", KINDS.read_text(), flags=re.DOTALL)
    assert listed
    assert set(re.findall(r"^    (\w+),$", listed[1], flags=re.MULTILINE)) == set(errors.BY_KIND)


def full(kind: type[errors.HTTPError]) -> errors.HTTPError:
    request = SimpleNamespace(method="PUT", url="https://me:secret@a.example/b?token=1", idempotent=True, upstream="a")
    response = SimpleNamespace(
        status_code=503,
        url="https://a.example/b?token=1",
        headers={"content-type": "application/json", "set-cookie": "session=secret"},
        content=b'{"why": "busy"}',
    )
    error = kind(
        "PUT https://me:secret@a.example/b?token=1 failed",
        request=request,
        response=response,
        upstream="a",
        attempts=3,
        timings=Timings(connect=0.01, total=0.5),
        sent=True,
        retry_after=2.0,
    )
    error.seen_by = "a test"  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_travels_with_all_that_it_knows(kind: type[errors.HTTPError], travel: object) -> None:
    before = full(kind)
    after = travel(before)  # type: ignore[operator]
    assert type(after) is kind
    assert str(after) == str(before) == "PUT https://a.example/b failed"
    assert after.request == RequestSummary("PUT", "https://a.example/b", idempotent=True, upstream="a")
    assert after.response.status_code == 503
    assert after.response.url == "https://a.example/b"
    assert after.response.headers == (("content-type", "application/json"),)
    assert after.response.json() == {"why": "busy"}
    assert (after.upstream, after.attempts, after.sent, after.retry_after) == ("a", 3, True, 2.0)
    assert after.timings == Timings(connect=0.01, total=0.5)
    assert after.timings.as_dict() == {"connect": 0.01, "total": 0.5}
    assert after.retryable is before.retryable
    assert after.seen_by == "a test"


def test_an_error_of_an_answer_that_was_never_read_travels_too() -> None:
    class Streamed:
        status_code, url, headers = 500, "http://a/", {}

        @property
        def content(self) -> bytes:
            raise RuntimeError("not read")

    after = pickle.loads(pickle.dumps(errors.HTTPStatusError("500", response=Streamed())))
    assert after.response == ResponseSummary(500, "http://a/")


SECRETS = {
    "http://u:secret@h/": "http://h/",
    "http://secret@h": "http://h",
    "https://u:se@cret@h:8/a": "https://h:8/a",
    "http://u:sec/ret@h/a": "http://h/a",
    "to 'http://h/a?secret' and \"https://h/b#secret\"": "to 'http://h/a' and \"https://h/b\"",
    "socks5h://u:secret@[::1]:9/": "socks5h://[::1]:9/",
    "http://h/@me/notes": "http://h/@me/notes",
    "http://h?secret=1": "http://h",
    "no URL: a@b?c": "no URL: a@b?c",
}


@pytest.mark.parametrize("given", SECRETS)
def test_text_loses_credentials_and_query(given: str) -> None:
    assert without_secrets(given) == SECRETS[given]
    assert str(errors.ReadError(given)) == SECRETS[given]
    assert "secret" not in repr(errors.ReadError(given))


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (errors.ConnectError("x"), True),
        (errors.ReadError("x", sent=True), False),
        (errors.ReadError("x", sent=True, request=RequestSummary("GET", "http://a/", idempotent=True)), True),
        (errors.CircuitOpen("x"), True),
        (errors.ForbiddenAddress("x"), False),
        (errors.TLSError("x"), False),
        (errors.JSONDecodeError("x", request=RequestSummary("GET", "http://a/", idempotent=True)), False),
        (errors.HTTPStatusError("x", response=ResponseSummary(503, ""), request=RequestSummary("GET", "", True)), True),
        (errors.HTTPStatusError("x", response=ResponseSummary(503, ""), request=RequestSummary("POST", "")), False),
        (
            errors.HTTPStatusError("x", response=ResponseSummary(404, ""), request=RequestSummary("GET", "", True)),
            False,
        ),
    ],
)
def test_retryable_says_whether_another_try_may_help_and_cannot_harm(error: errors.HTTPError, wanted: bool) -> None:
    assert error.retryable is wanted


def test_plain_python_catches_them() -> None:
    with pytest.raises(TimeoutError):
        raise errors.DeadlineExceeded("over")
    with pytest.raises(ConnectionError):
        raise errors.TLSError("refused")
    with pytest.raises(ValueError, match="not JSON"):
        raise errors.JSONDecodeError("not JSON")


def test_status_is_a_string_in_every_way() -> None:
    assert Status.HTTP_ERROR == "http_error"
    assert str(Status.HTTP_ERROR) == f"{Status.HTTP_ERROR}" == "http_error"
    assert f"{Status.OK:>4}" == "  ok"
    assert json.dumps({"status": Status.TOO_LARGE}) == '{"status": "too_large"}'
    assert pickle.loads(pickle.dumps(Status.DNS)) is Status.DNS
    assert Status("deadline") is Status.DEADLINE
    assert [status.name for status in Status if status.has_value] == ["OK", "FALLBACK", "STALE"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.ReadTimeout, Status.TIMEOUT),
        (errors.DeadlineExceeded, Status.DEADLINE),
        (errors.ConnectError, Status.CONNECT),
        (errors.ReadError, Status.CONNECT),
        (errors.DNSError, Status.DNS),
        (errors.TLSError, Status.TLS),
        (errors.RemoteProtocolError, Status.PROTOCOL),
        (errors.JSONDecodeError, Status.DECODE),
        (errors.DecodingError, Status.DECODE),
        (errors.ResponseTooLarge, Status.TOO_LARGE),
        (errors.CircuitOpen, Status.CIRCUIT_OPEN),
        (errors.RateLimited, Status.RATE_LIMITED),
        (errors.Overloaded, Status.OVERLOADED),
        (errors.ForbiddenAddress, Status.FORBIDDEN),
        (errors.RequestCancelled, Status.CANCELLED),
        (errors.HTTPStatusError, Status.HTTP_ERROR),
    ],
)
def test_each_error_has_its_status(kind: type[errors.HTTPError], status: Status) -> None:
    assert kind.outcome_status is status
