"""`turnout.testing.asgi_validator` lets through what the specification allows, and names the side that leaves it."""

from __future__ import annotations

import asyncio
import re

import pytest

from turnout.testing import ASGIViolation, asgi_validator

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.5"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/ä b",
    "raw_path": b"/%C3%A4%20b",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"a")],
    "client": ("127.0.0.1", 1),
    "server": ["/run/x.sock", None],
    "extensions": {},
}
LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
ALL = {f"http.response.{name}": {} for name in ("pathsend", "early_hint", "trailers", "debug", "zerocopysend", "push")}
REQUEST = {"type": "http.request", "body": b"", "more_body": False}
LEFT = {"type": "http.disconnect"}
START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
BODY = {"type": "http.response.body", "body": b"xy"}
MORE = {**BODY, "more_body": True}
HINT = {"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]}
PROMISE = {**START, "trailers": True}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"a", b"b")]}
DEBUG = {"type": "http.response.debug", "info": {}}
PATHSEND = {"type": "http.response.pathsend", "path": "/etc/hostname"}


def run(sent, *, scope=SCOPE, received=(REQUEST,), raises=None, receive_all=False):
    """An application that sends `sent`, under a server that gives `received`; what the server got."""
    got = []
    left_over = list(received)

    async def receive():
        return left_over.pop(0)

    async def send(message):
        if raises is not None:
            raise raises
        got.append(message)

    async def app(scope, receive, send):
        for _ in received if receive_all else ():
            await receive()
        for message in sent:
            await send(message)

    asyncio.run(asgi_validator(app)(scope, receive, send))
    return got


ALLOWED = {
    "whole": [START, BODY],
    "without headers": [{"type": "http.response.start", "status": 204}, {"type": "http.response.body"}],
    "pieces": [START, MORE, MORE, BODY],
    "hints": [START, HINT, MORE, HINT, BODY],
    "trailers": [PROMISE, BODY, {**TRAILERS, "more_trailers": True}, TRAILERS],
    "debug": [DEBUG, START, BODY],
    "a path": [START, PATHSEND],
    "unknown keys": [{**START, "reason": "none"}, BODY],
    "a length": [{**START, "headers": [(b"content-length", b"4")]}, MORE, BODY],
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_passed_on(name):
    assert run(ALLOWED[name], scope={**SCOPE, "extensions": ALL}) == ALLOWED[name]


def test_headers_and_links_that_can_be_read_once_reach_the_server():
    pairs = (iter(pair) for pair in [(b"a", b"b")])
    sent = [{**START, "headers": pairs}, {**HINT, "links": iter([b"</a>"])}, BODY]
    assert run(sent, scope={**SCOPE, "extensions": ALL}) == [START, {**HINT, "links": [b"</a>"]}, BODY]


APPLICATION = {
    "nothing": ([], "returned while the response still lacks its start"),
    "no body": ([START], "lacks its body"),
    "no end": ([START, MORE], "lacks its body"),
    "no trailers": ([PROMISE, BODY], "lacks its trailers"),
    "a list": ([[START]], "a message is a list"),
    "odd keys": ([{**START, 1: 2}], "keys that are no str"),
    "no type": ([{"status": 200}], "'type' is missing"),
    "another type": ([{**START, "type": b"http.response.start"}], "must be str"),
    "another protocol": ([{"type": "websocket.accept"}], "was sent on an HTTP request"),
    "no status": ([{"type": "http.response.start"}], "'status' is missing"),
    "a status of text": ([{**START, "status": "200"}], "must be int, not str"),
    "a true status": ([{**START, "status": True}], "not that of a final response"),
    "an interim status": ([{**START, "status": 103}], "not that of a final response"),
    "text for headers": ([{**START, "headers": [("a", "b")]}], "pairs of bytes"),
    "three for a pair": ([{**START, "headers": [(b"a", b"b", b"c")]}], "pairs of bytes"),
    "no headers at all": ([{**START, "headers": None}], "not iterable"),
    "upper case": ([{**START, "headers": [(b"Content-Type", b"text/plain")]}], "not in lower case"),
    "a broken line": ([{**START, "headers": [(b"a", b"b\r\nc: d")]}], "breaks its line"),
    "a length of text": ([{**START, "headers": [(b"content-length", b"x")]}], "not one number"),
    "twice": ([START, START], "sent twice"),
    "body first": ([BODY], "before 'http.response.start'"),
    "text for a body": ([START, {**BODY, "body": "x"}], "must be bytes, not str"),
    "a number for more": ([START, {**BODY, "more_body": 1}], "must be bool"),
    "after the end": ([START, BODY, BODY], "after the response had ended"),
    "too long": ([{**START, "headers": [(b"content-length", b"1")]}, BODY], "says 1 bytes, and the body has 2"),
    "too short": ([{**START, "headers": [(b"content-length", b"3")]}, BODY], "says 3 bytes, and the body has 2"),
    "a hint first": ([HINT], "belongs between"),
    "text for links": ([START, {**HINT, "links": ["</a>"]}], "iterable of bytes"),
    "trailers unpromised": ([START, BODY, TRAILERS], "after the response had ended"),
    "trailers too soon": ([PROMISE, TRAILERS], "before the body's end"),
    "debug twice": ([DEBUG, DEBUG], "is sent once"),
    "debug late": ([START, DEBUG], "before 'http.response.start'"),
    "a relative path": ([START, {**PATHSEND, "path": "x"}], "not absolute"),
    "a path after a body": ([START, MORE, PATHSEND], "the whole body"),
    "unheard of": ([START, {"type": "http.response.push"}], "was sent on an HTTP request"),
}


@pytest.mark.parametrize("name", APPLICATION)
def test_the_application_is_told_what_it_did(name):
    sent, what = APPLICATION[name]
    with pytest.raises(ASGIViolation, match=re.escape(what)) as caught:
        run(sent, scope={**SCOPE, "extensions": ALL})
    assert caught.value.side == "application"


@pytest.mark.parametrize("message", [HINT, PATHSEND, TRAILERS, PROMISE])
def test_what_was_not_announced_is_not_for_use(message):
    with pytest.raises(ASGIViolation, match="announce"):
        run([message] if message is PROMISE else [START, message])


SERVER = {
    "scope": ({"scope": [SCOPE]}, "a list, not a dict"),
    "type": ({"scope": {**SCOPE, "type": "mail"}}, "no scope of type 'mail'"),
    "version": ({"scope": {**SCOPE, "asgi": {"version": "2.0"}}}, "ASGI 3.0"),
    "http version": ({"scope": {**SCOPE, "http_version": "HTTP/1.1"}}, "no version"),
    "method": ({"scope": {**SCOPE, "method": "get"}}, "upper case"),
    "no method": ({"scope": {key: SCOPE[key] for key in SCOPE if key != "method"}}, "'method' is missing"),
    "scheme": ({"scope": {**SCOPE, "scheme": ""}}, "the scheme is empty"),
    "path": ({"scope": {**SCOPE, "path": b"/"}}, "must be str"),
    "raw path": ({"scope": {**SCOPE, "raw_path": b"/other"}}, "path is not raw_path decoded"),
    "query in path": ({"scope": {**SCOPE, "raw_path": b"/%C3%A4%20b?a"}}, "the query stands in raw_path"),
    "query": ({"scope": {**SCOPE, "query_string": ""}}, "must be bytes"),
    "headers": ({"scope": {**SCOPE, "headers": [("host", "a")]}}, "pairs of bytes"),
    "names": ({"scope": {**SCOPE, "headers": [(b"Host", b"a")]}}, "lower case"),
    "pseudo": ({"scope": {**SCOPE, "headers": [(b":path", b"/")]}}, "pseudo header"),
    "client": ({"scope": {**SCOPE, "client": ("127.0.0.1", "1")}}, "not a host and a port"),
    "state": ({"scope": {**SCOPE, "state": None}}, "must be dict"),
    "extensions": ({"scope": {**SCOPE, "extensions": {"a": None}}}, "not a dict of dicts"),
    "message": ({"received": [None]}, "a message is a NoneType"),
    "kind": ({"received": [{"type": "http.response"}]}, "came on an HTTP request"),
    "body": ({"received": [{**REQUEST, "body": "x"}]}, "must be bytes"),
    "more after the end": ({"received": [REQUEST, REQUEST]}, "after the request had ended"),
    "more after leaving": ({"received": [LEFT, REQUEST]}, "after the request had ended"),
}


@pytest.mark.parametrize("name", SERVER)
def test_the_server_is_told_what_it_did(name):
    server, what = SERVER[name]
    with pytest.raises(ASGIViolation, match=re.escape(what)) as caught:
        run([START, BODY], receive_all=True, **server)
    assert caught.value.side == "server"


def test_an_application_whose_client_left_owes_nothing():
    assert run([], received=[REQUEST, LEFT], receive_all=True) == []
    with pytest.raises(ConnectionResetError):
        run([START], raises=ConnectionResetError())


def test_answers_without_content_may_promise_one():
    head = {**START, "headers": [(b"content-length", b"100")]}
    assert run([head, {"type": "http.response.body"}], scope={**SCOPE, "method": "HEAD"})
    assert run([{**head, "status": 304}, {"type": "http.response.body"}])


UP, DOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
UP_DONE, DOWN_DONE = {"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}


def live(steps):
    """`steps`: what the server says and what the application answers, in turn."""
    said = [step for step in steps if step in (UP, DOWN)]

    async def receive():
        return said.pop(0)

    async def send(message):
        return None

    async def app(scope, receive, send):
        for step in steps:
            await (receive() if step in said else send(step))

    asyncio.run(asgi_validator(app)(LIFESPAN, receive, send))


@pytest.mark.parametrize("steps", [[UP, UP_DONE, DOWN, DOWN_DONE], [UP, {"type": "lifespan.startup.failed"}], []])
def test_lifespans_that_are_allowed(steps):
    live(steps)


@pytest.mark.parametrize(
    ("steps", "side"),
    [
        ([DOWN], "server"),
        ([UP, DOWN], "server"),
        ([UP_DONE], "application"),
        ([UP, DOWN_DONE], "application"),
        ([UP, UP_DONE, UP_DONE], "application"),
        ([UP, {"type": "lifespan.startup.failed", "message": b"no"}], "application"),
        ([UP, {"type": "lifespan.startup.done"}], "application"),
    ],
)
def test_lifespans_that_are_not(steps, side):
    with pytest.raises(ASGIViolation) as caught:
        live(steps)
    assert caught.value.side == side
