"""Bodies that come in pieces: the Python around the native iterators, in both directions."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Iterator
from typing import Any

_feeding: set[asyncio.Task[None]] = set()


def rechunked(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of one size."""
    left = bytearray()
    for piece in pieces:
        left += piece
        while len(left) >= size:
            yield bytes(left[:size])
            del left[:size]
    if left:
        yield bytes(left)


async def arechunked(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same, for `async for`."""
    left = bytearray()
    async for piece in pieces:
        left += piece
        while len(left) >= size:
            yield bytes(left[:size])
            del left[:size]
    if left:
        yield bytes(left)


def text(pieces: Iterator[bytes], encoding: str) -> Iterator[str]:
    """Decoded, with what cannot be replaced."""
    decoder = _decoder(encoding)
    for piece in pieces:
        if decoded := decoder.decode(piece):
            yield decoded
    if last := decoder.decode(b"", True):
        yield last


async def atext(pieces: AsyncIterator[bytes], encoding: str) -> AsyncIterator[str]:
    """The same, for `async for`."""
    decoder = _decoder(encoding)
    async for piece in pieces:
        if decoded := decoder.decode(piece):
            yield decoded
    if last := decoder.decode(b"", True):
        yield last


def lines(pieces: Iterator[bytes], encoding: str) -> Iterator[str]:
    """Without their ends, which are those of `str.splitlines`."""
    left = ""
    for piece in text(pieces, encoding):
        whole, left = _split(left + piece)
        yield from whole
    yield from left.splitlines()


async def alines(pieces: AsyncIterator[bytes], encoding: str) -> AsyncIterator[str]:
    """The same, for `async for`."""
    left = ""
    async for piece in atext(pieces, encoding):
        whole, left = _split(left + piece)
        for line in whole:
            yield line
    for line in left.splitlines():
        yield line


def _split(text: str) -> tuple[list[str], str]:
    """The lines that are whole, and what may go on. A carriage return at the end may have its other half to come."""
    if text.endswith("\r"):
        parts = text[:-1].splitlines(keepends=True)
        last = parts.pop() if parts and not _ends(parts[-1]) else ""
        return [_bare(part) for part in parts], last + "\r"
    parts = text.splitlines(keepends=True)
    last = parts.pop() if parts and not _ends(parts[-1]) else ""
    return [_bare(part) for part in parts], last


def _ends(line: str) -> bool:
    return len(line.splitlines()[0]) < len(line)


def _bare(line: str) -> str:
    return line.splitlines()[0]


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        return codecs.getincrementaldecoder(encoding)("replace")
    except LookupError:
        return codecs.getincrementaldecoder("utf-8")("replace")


def feed(into: Any, iterator: AsyncIterator[bytes]) -> None:
    """Have a task of the running loop pull the next piece of a request's body."""
    task = asyncio.ensure_future(_feed(into, iterator))
    # asyncio itself keeps no reference.
    _feeding.add(task)
    task.add_done_callback(_feeding.discard)


async def _feed(into: Any, iterator: AsyncIterator[bytes]) -> None:
    try:
        while not into.put(await iterator.__anext__()):
            pass
    except StopAsyncIteration:
        into.end()
    except BaseException as error:
        into.fail(error)
        if not isinstance(error, Exception):
            raise
