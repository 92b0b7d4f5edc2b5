"""File-like objects of every kind, each through ``wsgi.file_wrapper``."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

CONTENT = b"".join(b"%07d\n" % number for number in range(25_000))
FOLDER = Path(tempfile.mkdtemp(prefix="turnout-test-files-"))
PLAIN = FOLDER / "plain"
PLAIN.write_bytes(CONTENT)
PACKED = FOLDER / "packed"
PACKED.write_bytes(gzip.compress(CONTENT))
closed: list[str] = []


class Told:
    """A file-like object that says when it is closed, and has nothing else to say."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._file = io.BytesIO(content)
        self.read = self._file.read

    def close(self) -> None:
        closed.append(self.name)


class Shouting(io.FileIO):
    """A real file, but not what it reads."""

    def read(self, size: int = -1) -> bytes:
        return super().read(size).replace(b"0", b"O")


def named() -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the server closes it
    file.write(CONTENT)
    file.seek(0)
    return file


def spooled() -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=1000)  # noqa: SIM115 - the server closes it
    file.write(CONTENT)
    file.seek(0)
    return file


def advanced() -> Any:
    file = PLAIN.open("rb")
    file.read(8)
    return file


def pipe() -> Any:
    read, write = os.pipe()
    os.write(write, b"through a pipe")
    os.close(write)
    return os.fdopen(read, "rb")


def deleted() -> Any:
    file = named()
    os.unlink(file.name)
    file._closer.delete = False
    return file


KINDS: dict[str, Callable[[], Any]] = {
    "buffered": lambda: PLAIN.open("rb"),
    "raw": lambda: PLAIN.open("rb", buffering=0),
    "both-ways": lambda: PLAIN.open("r+b"),
    "advanced": advanced,
    "named": named,
    "deleted": deleted,
    "spooled": spooled,
    "packed": lambda: gzip.GzipFile(PACKED),
    "shouting": lambda: Shouting(PLAIN),
    "bytes": lambda: io.BytesIO(CONTENT),
    "pipe": pipe,
    "told": lambda: Told("told", CONTENT),
    "text": lambda: PLAIN.open(),
    "beyond": lambda: _at(PLAIN.open("rb"), len(CONTENT) + 5),
    "empty": lambda: io.FileIO(os.devnull),
}


def _at(file: Any, place: int) -> Any:
    file.seek(place)
    return file


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/KIND?length=N&part=N``: that kind of file, promising `length`, standing at `part`."""
    kind = environ["PATH_INFO"].strip("/")
    if kind == "closed":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [",".join(closed).encode()]
    query = parse_qs(environ["QUERY_STRING"])
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", query["length"][0]))
    file = KINDS[kind]()
    if "part" in query:
        file.seek(int(query["part"][0]))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](file, 4096)
