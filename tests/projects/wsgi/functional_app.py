"""The application behind tests/suites/waitress_cases.py: an echo whose head, body and misfortunes the path chooses."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

TEXT = ("Content-Type", "text/plain")
FILE = b"\xff\xd8" + b"not really a picture " * 1000


class OnlyReads:
    """As little of a file as there can be."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int) -> bytes:
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


class Unseekable(io.RawIOBase):
    """Looks like a real file, and has neither a descriptor nor a place."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/HOW`` or ``/HOW/ARGUMENT``."""
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length) if length else -1)
    how, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    return globals()["answer_" + (how or "echo")](environ, start_response, body, argument)


def answer_echo(environ, start_response, body, argument):
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]


def answer_promise(environ, start_response, body, argument):
    """So many bytes more, or fewer, are promised than come."""
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body) + int(argument)))])
    return [body]


def answer_list(environ, start_response, body, argument):
    start_response("200 OK", [TEXT])
    return [body[: int(argument or 0)], body[int(argument or 0) :]] if argument else [body]


def answer_generator(environ, start_response, body, argument):
    start_response("200 OK", [TEXT])
    return (body[at : at + 10] for at in range(0, len(body), 10))


def answer_write(environ, start_response, body, argument):
    """Written in two parts; so many bytes more, or fewer, are promised than come, or nothing is."""
    fields = [TEXT, ("Content-Length", str(len(body) + int(argument)))] if argument else [TEXT]
    write = start_response("200 OK", fields)
    write(body[:3])
    write(body[3:])
    return []


def answer_fail(environ, start_response, body, argument):
    if argument == "before":
        raise ValueError("told to, before")
    write = start_response("200 OK", [TEXT, ("Content-Length", "6")])
    if argument == "written":
        write(b"abc")
    if argument == "generator":

        def pieces() -> Iterator[bytes]:
            yield b"abc"
            raise ValueError("told to, in the generator")

        return pieces()
    raise ValueError("told to, after")


def answer_file(environ, start_response, body, argument):
    """KIND or KIND/PROMISE: the difference to what comes."""
    kind, _, promise = argument.partition("/")
    if kind == "real":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
        file.write(FILE)
        file.seek(0)
    else:
        file = {"reads": OnlyReads, "unseekable": Unseekable}[kind](FILE)
    fields = [("Content-Type", "image/jpeg")]
    if promise:
        fields.append(("Content-Length", str(1 if promise == "one" else len(FILE) + int(promise))))
    start_response("200 OK", fields)
    return environ["wsgi.file_wrapper"](file, 8192)
