"""The same promises over the real server: `turnout serve` in front of tracks_site."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import pytest
from harness import Serving, serve
from wire import Client, get

SITE = Path(__file__).parent
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])}


def served(*args: str) -> Iterator[Serving]:
    with serve([*args, "--drain", "1s"], cwd=SITE, env=ENVIRONMENT) as serving:
        yield serving


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def native(request: pytest.FixtureRequest) -> Iterator[Serving]:
    yield from served(f"tracks_site.{request.param}:application")


@pytest.fixture(scope="module")
def as_asgi() -> Iterator[Serving]:
    yield from served("tracks_site.asgi:application")


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def compat(request: pytest.FixtureRequest) -> Iterator[Serving]:
    yield from served(f"tracks_site.{request.param}:application", "--compat")


def reply(serving: Serving, path: str, **more: object) -> dict:
    return json.loads(get(serving.url, path, **more).body)


def test_each_view_runs_on_its_track(native):
    assert reply(native, "/async/") == {"track": "async", "thread": "MainThread"}
    assert reply(native, "/sync/")["thread"].startswith("turnout-sync-")
    assert reply(native, "/shop/rome/detail/7/")["track"] == "async"
    hops = reply(native, "/hop/")
    assert hops["first"] == hops["second"]
    assert hops["first"].startswith("turnout-hop-")


@pytest.fixture
def untouched() -> Iterator[Serving]:
    yield from served("tracks_site.asgi:application")


def test_hopping_requests_take_as_many_threads_as_there_are_connections(untouched):
    """Each connection's next request comes before the loop has heard that its last one ended."""

    def client(_):
        with closing(Client(untouched.url)) as connection:
            seen = []
            for _ in range(60):
                connection.request("GET", "/brief-hop/")
                seen.append(json.loads(connection.getresponse().read())["threads"])
            return max(seen)

    assert client(0) == 1
    with ThreadPoolExecutor(8) as clients:
        assert max(clients.map(client, range(8))) <= 8


def test_async_to_sync_in_a_sync_view_runs_on_the_real_loop(native):
    first, second = reply(native, "/loop/"), reply(native, "/loop/")
    assert first["loop"] == second["loop"]
    assert first["name"] == "MainThread"


def test_answers_streams_and_errors(native):
    for path, status, body in (
        ("/stream/", 200, b"0 stream 1 stream 2 stream "),
        ("/async-stream/", 200, b"0 1 2 "),
        ("/bad-header/", 500, None),
        ("/exit/", 500, None),
        ("/sync-exit/", 500, None),
        ("/boom/", 500, None),
        ("/missing/", 404, None),
        ("/async", 301, b""),
        ("/file/", 200, (SITE / "tracks_site" / "views.py").read_bytes()),
        ("/async-file/", 200, (SITE / "tracks_site" / "views.py").read_bytes()),
        ("/async/", 200, None),
    ):
        answer = get(native.url, path)
        assert answer.status == status, path
        assert body is None or answer.body == body, path


def test_a_body_reaches_the_view(native):
    sent = "x" * 100_000
    headers = {"Content-Type": "text/plain"}
    assert reply(native, "/echo/", method="POST", body=sent, headers=headers)["body"] == sent


def test_many_requests_at_once_do_not_mix(native):
    with ThreadPoolExecutor(40) as pool:
        names = list(pool.map(lambda n: get(native.url, f"/shop/city{n}/detail/{n}/").body, range(200)))
    assert [json.loads(body)["city"] for body in names] == [f"city{n}" for n in range(200)]


REQUESTS = [
    b"GET /%smeta/1/ HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /%smeta/1/?a=%%C3%%A9&b=c%%20d HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nX-A: 2\r\nX-Odd: \xe9\r\n\r\n",
    b"GET /%smeta/1/ HTTP/1.1\r\nHost: h\r\nCookie: a=1; \r\nCookie: b=2;\r\n\r\n",
    b"POST /%smeta/1/ HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain; charset=latin-1\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /%smeta/1/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"PROPFIND /%smeta/1/ HTTP/1.1\r\nHost: h\r\nX-Empty:\r\n\r\n",
    b"GET //%smeta/1/ HTTP/1.0\r\nHost: h\r\n\r\n",
]


@pytest.mark.parametrize("raw", REQUESTS)
@pytest.mark.parametrize("track", [b"", b"async-"])
def test_a_prebuilt_meta_is_the_one_django_builds(raw, track, as_asgi):
    with socket.create_connection((as_asgi.host, as_asgi.port), 10) as peer:
        peer.sendall(raw.replace(b"%%", b"%").replace(b"%s", track))
        answer = HTTPResponse(peer)
        answer.begin()
        body = answer.read()
    if raw.startswith(b"GET //"):
        assert answer.status == 404
        return
    seen = json.loads(body)
    assert seen["differences"] == {}
    assert seen["seen"] == seen["other"]


def test_the_peers_leaving_cancels_the_view(native):
    with socket.create_connection((native.host, native.port)) as peer:
        peer.sendall(b"GET /slow/ HTTP/1.1\r\nHost: testserver\r\n\r\n")
        while "slow started" not in reply(native, "/events/"):
            time.sleep(0.01)
    while "slow cancelled" not in reply(native, "/events/"):
        time.sleep(0.01)


def test_compat_serves_djangos_own_handler(compat):
    assert "unpatched" in compat.log
    assert reply(compat, "/async/")["track"] == "async"
    assert reply(compat, "/sync/")["track"] == "sync"
    assert get(compat.url, "/boom/").status == 500
    assert get(compat.url, "/stream/").body == b"0 stream 1 stream 2 stream "
    for _ in range(5):
        hops = reply(compat, "/hop/")
        assert hops["first"] == hops["second"]
