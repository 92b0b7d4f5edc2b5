"""Applications behind a client without a network: WSGI and ASGI, whole and in pieces."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from turnout import http
from turnout.http import errors
from turnout.http.transports import ASGITransport, WSGITransport


def echo_wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Twice", "a"), ("X-Twice", "b")])
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST")
    more = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_KEY", "REMOTE_ADDR", "wsgi.url_scheme")
    seen = {name: environ.get(name) for name in (*names, *more)}
    return [json.dumps({**seen, "body": environ["wsgi.input"].read().decode()}).encode()]


def test_a_wsgi_application_sees_the_request() -> None:
    client = http.Client(transport=WSGITransport(echo_wsgi))
    response = client.post("http://app.example:8000/caf%C3%A9?a=1&b=2", content=b"body", headers={"X-Key": "k"})
    assert response.headers.get_list("x-twice") == ["a", "b"]
    assert response.json() == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/café".encode().decode("latin-1"),
        "QUERY_STRING": "a=1&b=2",
        "SERVER_NAME": "app.example",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "app.example:8000",
        "CONTENT_TYPE": None,
        "CONTENT_LENGTH": "4",
        "HTTP_X_KEY": "k",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "body": "body",
    }


def test_a_wsgi_application_can_be_mounted() -> None:
    client = http.Client(transport=WSGITransport(echo_wsgi, script_name="/app", remote_addr="10.0.0.1"))
    seen = client.get("https://a.example/app/x").json()
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["SERVER_PORT"]) == ("/app", "/x", "443")
    assert seen["REMOTE_ADDR"] == "10.0.0.1"


def test_a_wsgi_body_is_passed_on_piece_by_piece_and_closed() -> None:
    closed = threading.Event()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one "
            yield b""
            yield b"two"

        def close(self) -> None:
            closed.set()

    def application(environ: dict[str, Any], start_response: Any) -> Body:
        write = start_response("200 OK", [])
        write(b"zero ")
        return Body()

    assert http.Client(transport=WSGITransport(application)).get("http://a/").content == b"zero one two"
    assert closed.wait(10)


def test_what_a_wsgi_application_raises_is_logged_and_answered_with_500(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise KeyError("slip")

    response = http.Client(transport=WSGITransport(application)).get("http://a/")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "KeyError: 'slip'" in caplog.text


def test_a_wsgi_body_that_breaks_off_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        raise KeyError("slip")

    with pytest.raises(errors.ReadError, match="before its answer was whole"):
        http.Client(transport=WSGITransport(application)).get("http://a/")


def test_calls_of_a_wsgi_application_run_beside_each_other() -> None:
    barrier = threading.Barrier(2, timeout=20)

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        barrier.wait()
        start_response("204 No Content", [])
        return []

    client = http.Client(transport=WSGITransport(application))
    gathered = client.gather([http.Request("GET", "http://a/"), http.Request("GET", "http://a/")], decode="bytes")
    assert [outcome.response.status_code for outcome in gathered.values()] == [204, 204]


async def echo_asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    message = await receive()
    seen = {
        **{name: scope[name] for name in ("method", "scheme", "path", "root_path", "server", "client")},
        "query": scope["query_string"].decode(),
        "raw_path": scope["raw_path"].decode(),
        "headers": sorted([name.decode(), value.decode()] for name, value in scope["headers"]),
        "body": message["body"].decode(),
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


def test_an_asgi_application_without_a_lifespan_sees_the_request() -> None:
    with ASGITransport(echo_asgi, client=("10.0.0.1", 7)) as transport:
        client = http.Client(transport=transport)
        seen = client.put("https://app.example/caf%C3%A9?a=1", content=b"body", headers={"X-Key": "k"}).json()
    headers = dict(seen.pop("headers"))
    assert headers["host"] == "app.example"
    assert headers["x-key"] == "k"
    assert headers["content-length"] == "4"
    assert seen == {
        "method": "PUT",
        "scheme": "https",
        "path": "/café",
        "root_path": "",
        "server": ["app.example", 443],
        "client": ["10.0.0.1", 7],
        "query": "a=1",
        "raw_path": "/caf%C3%A9",
        "body": "body",
    }


def test_an_asgi_application_has_its_lifespan_and_its_state() -> None:
    events = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{phase}"
                events.append(phase)
                scope["state"]["db"] = "open"
                await send({"type": f"lifespan.{phase}.complete"})
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["state"]["db"].encode()})

    with ASGITransport(application) as transport:
        assert http.Client(transport=transport).get("http://a/").text == "open"
        assert events == ["startup"]
    assert events == ["startup", "shutdown"]


def test_an_asgi_body_is_passed_on_piece_by_piece_whoever_is_slower() -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    async def main() -> bytes:
        with ASGITransport(application, lifespan=False) as transport:
            return (await http.Client(transport=transport).aget("http://a/")).content

    assert asyncio.run(main()) == b"x" * 100_000 + b"end"


def test_an_asgi_application_learns_that_nobody_waits_any_more() -> None:
    seen = threading.Event()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        seen.set()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    with ASGITransport(application, lifespan=False) as transport:
        with pytest.raises(errors.DeadlineExceeded):
            http.Client(transport=transport).get("http://a/", options={"timeout": 0.05})
        assert seen.wait(20)


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([], None),
        ([{"type": "http.response.body"}], None),
        ([{"type": "http.response.start", "status": 200}], None),
        ([{"type": "websocket.send"}], None),
        (
            [
                {"type": "http.response.start", "status": 200},
                {"type": "http.response.body", "body": b"x", "more_body": True},
            ],
            errors.ReadError,
        ),
    ],
)
def test_an_asgi_application_that_leaves_its_answer_unfinished_is_an_error(
    messages: list[dict[str, Any]], kind: type[errors.HTTPError] | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    with ASGITransport(application, lifespan=False) as transport:
        client = http.Client(transport=transport)
        if kind is None:
            assert client.get("http://a/").status_code == 500
        else:
            with pytest.raises(kind):
                client.get("http://a/")
    assert "behind ASGITransport failed" in caplog.text


def test_an_application_that_does_not_start_fails_its_calls(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with ASGITransport(application) as transport:
        client = http.Client(transport=transport)
        with pytest.raises(errors.ConnectError, match="the transport was closed"):
            client.get("http://a/")
    assert "no database" in caplog.text


def test_a_transport_that_nobody_has_any_more_leaves_no_thread() -> None:
    def count() -> int:
        return sum(thread.name.startswith("turnout-http-wsgi") for thread in threading.enumerate())

    before = count()
    transport = WSGITransport(echo_wsgi)
    assert http.Client(transport=transport).get("http://a/").status_code == 200
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("turnout-http-wsgi")]
    assert count() > before
    del transport
    gc.collect()
    for thread in threads:
        thread.join(20)
    assert count() <= before
