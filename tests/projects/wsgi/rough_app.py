"""A WSGI application that breaks the rules of PEP 3333, each in a view of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

TEXT = ("Content-Type", "text/plain")
kept: list[Any] = []
finished: list[str] = []


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/NAME/ARGUMENT``: the misdeed of that name."""
    name, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    return globals()["do_" + name](environ, start_response, argument)


def do_fine(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    return [b"fine"]


def do_twice(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    start_response("201 Created", [TEXT])
    return [b"twice"]


def do_caught(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    try:
        start_response("201 Created", [TEXT])
    except Exception as error:
        return [type(error).__name__.encode()]
    return [b"nothing was raised"]


def do_never(environ, start_response, argument):
    return [b"no head"] if argument == "list" else iter([b"no head"])


def do_status(environ, start_response, argument):
    start_response(argument, [TEXT])
    return [b"content"]


def do_field(environ, start_response, argument):
    start_response("200 OK", [TEXT, (argument, "close")])
    return [b"content"]


def do_length(environ, start_response, argument):
    """HOW-PROMISED-PIECE,PIECE,...: so many promised, these given."""
    how, promised, sizes = argument.split("-")
    pieces = [b"x" * int(size) for size in sizes.split(",")]
    write = start_response("200 OK", [TEXT, ("Content-Length", promised)])
    if how == "list":
        return pieces
    if how == "write":
        for piece in pieces:
            write(piece)
        return []

    def generator() -> Iterator[bytes]:
        yield from pieces
        finished.append(argument)

    return generator()


def do_finished(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    return [" ".join(finished).encode()]


def do_returns(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    return {"none": None, "text": "text", "number": 7, "texts": ["text"], "bytes": b"bytes", "numbers": [1]}[argument]


def do_writes(environ, start_response, argument):
    start_response("200 OK", [TEXT])("text")
    return []


def do_close(environ, start_response, argument):
    class Closes(list):
        def close(self):
            raise ValueError("told to, in close()")

    start_response("200 OK", [TEXT])
    return Closes([b"whole"])


def do_keep(environ, start_response, argument):
    """Keeps the input beyond the request."""
    kept.append(environ["wsgi.input"])
    start_response("200 OK", [TEXT])
    return [b"kept"]


def do_look(environ, start_response, argument):
    try:
        outcome = repr(kept[-1].read(1))
    except Exception as error:
        outcome = type(error).__name__
    start_response("200 OK", [TEXT])
    return [outcome.encode()]


def do_read(environ, start_response, argument):
    total = 0
    while block := environ["wsgi.input"].read(1000):
        total += len(block)
    start_response("200 OK", [TEXT])
    return [str(total).encode()]


def do_slow(environ, start_response, argument):
    time.sleep(float(argument))
    start_response("200 OK", [TEXT])
    return [b"slept"]


def do_facts(environ, start_response, argument):
    start_response("200 OK", [TEXT])
    return [f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']} {environ['wsgi.run_once']}".encode()]
