"""A WSGI application that keeps every rule of PEP 3333, in every way the rules allow.

``app`` as it is; ``validated`` the same under wsgiref.validate, which raises where it or the server breaks one.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus
from wsgiref.validate import validator

TEXT = ("Content-Type", "text/plain")
Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]

#: What was closed, by name, in order.
closed: list[str] = []
gates: dict[str, threading.Event] = {}
views: dict[str, Callable[[Environ, Start], Iterable[bytes]]] = {}


def view(function: Callable[[Environ, Start], Iterable[bytes]]) -> Callable[[Environ, Start], Iterable[bytes]]:
    views["/" + function.__name__] = function
    return function


def inner(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """The view of the first part of the path."""
    name = "/" + environ["PATH_INFO"].split("/")[1] if environ["PATH_INFO"] else "/"
    return views.get(name, environ_)(environ, start_response)


def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """The application under test."""
    return inner(environ, start_response)


validated = validator(inner)


def query(environ: Environ) -> str:
    return environ["QUERY_STRING"]


def gate(name: str) -> threading.Event:
    return gates.setdefault(name, threading.Event())


class Pieces:
    """An iterable that says when it is closed."""

    def __init__(self, name: str, pieces: Iterable[bytes]) -> None:
        self.name = name
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        closed.append(self.name)


class One:
    """One piece, and a length that says so."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        yield b"the only piece"


@view
def environ_(environ: Environ, start_response: Start) -> Iterable[bytes]:
    body = json.dumps({k: v for k, v in environ.items() if isinstance(v, (str, int, bool, tuple))}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


@view
def list_of_one(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"hello"]


@view
def list_of_three(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"one ", b"", b"two"]


@view
def tuple_of_large(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return (b"x" * 200_000, b"y" * 200_000)


@view
def empty(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return []


@view
def one(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return One()


@view
def generator(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return (b"%d\n" % number for number in range(1000))


@view
def late(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("201 Made Late", [TEXT])
    yield b""
    yield b"late"


@view
def write(environ: Environ, start_response: Start) -> Iterable[bytes]:
    say = start_response("200 OK", [TEXT])
    say(b"one ")
    say(b"")
    say(b"two ")
    return [b"three"]


@view
def write_only(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "4")])(b"said")
    return []


@view
def replaced(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("X-First", "1")])
    try:
        raise ValueError("before anything was sent")
    except ValueError:
        start_response("503 Not Today", [TEXT], sys.exc_info())
    return [b"sorry"]


@view
def too_late(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"begun"
    gate("too-late").wait(20)
    try:
        raise KeyError("after something was sent")
    except KeyError:
        start_response("503 Not Today", [TEXT], sys.exc_info())
    yield b"never"


@view
def status(environ: Environ, start_response: Start) -> Iterable[bytes]:
    line = unquote_plus(query(environ), "latin-1")
    has_content = line[:3] not in ("204", "304")
    start_response(line, [TEXT] if has_content else [])
    return Pieces("status " + line, [b"content"] if has_content else [])


@view
def close(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return Pieces("close " + query(environ), [b"one", b"two"])


@view
def fails(environ: Environ, start_response: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        if query(environ) == "midway":
            yield b"half"
            gate("fails").wait(20)
        raise ValueError("told to")

    start_response("200 OK", [TEXT])
    return Pieces("fails " + query(environ), pieces())


@view
def endless(environ: Environ, start_response: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"." * 10_000

    start_response("200 OK", [TEXT])
    return Pieces("endless", pieces())


@view
def was_closed(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(closed).encode()]


@view
def gated(environ: Environ, start_response: Start) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        for number in range(3):
            yield b"piece %d" % number
            passed = gate(f"gated {number}").wait(20)
            assert passed, "the client never got the piece before"

    start_response("200 OK", [TEXT])
    return pieces()


@view
def open_gate(environ: Environ, start_response: Start) -> Iterable[bytes]:
    gate(query(environ).replace("+", " ")).set()
    start_response("200 OK", [TEXT])
    return [b"open"]


@view
def input_(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Reads as the query says and tells what it got, one repr a line."""
    source = environ["wsgi.input"]
    got: list[object] = []
    for step in query(environ).split("&"):
        how, _, size = step.partition("=")
        if how == "iterate":
            got.extend(source)
        elif size:
            got.append(getattr(source, how)(int(size)))
        else:
            got.append(getattr(source, how)())
    start_response("200 OK", [TEXT])
    return ["\n".join(map(repr, got)).encode()]


@view
def sum_(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """How much there was, read in blocks."""
    total = 0
    while block := environ["wsgi.input"].read(10_000):
        total += len(block)
    start_response("200 OK", [TEXT])
    return [str(total).encode()]


@view
def talk(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answers each line as soon as it came."""
    source = environ["wsgi.input"]

    def pieces() -> Iterator[bytes]:
        while line := source.readline():
            yield line.upper()

    start_response("200 OK", [TEXT])
    return pieces()


@view
def early(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [environ["wsgi.input"].read(2)]


@view
def unread(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"did not look"]


@view
def broken_input(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Tells by name and kind how reading ended, for it cannot tell its client."""
    try:
        while environ["wsgi.input"].read(1000):
            pass
        outcome = "whole"
    except OSError as error:
        outcome = type(error).__name__
        try:
            environ["wsgi.input"].read(1)
            outcome += ", then nothing"
        except OSError:
            pass
    closed.append(f"{query(environ)}: {outcome}")
    start_response("200 OK", [TEXT])
    return [b"read"]


@view
def errors(environ: Environ, start_response: Start) -> Iterable[bytes]:
    stream = environ["wsgi.errors"]
    stream.write("said to wsgi.errors: " + query(environ) + "\n")
    stream.writelines(["and ", "more\n"])
    stream.flush()
    start_response("200 OK", [TEXT])
    return [b"written"]


@view
def file(environ: Environ, start_response: Start) -> Iterable[bytes]:
    with open(__file__, "rb") as source:
        length = len(source.read())
    start_response("200 OK", [TEXT, ("X-Length", str(length))])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


@view
def fields(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Narrow", "caf\xe9")])
    return [b"fields"]
