"""From Django's response to what goes on the wire: head, body, and streams in either direction of the thread border.

A stream is pulled where its iterator belongs, whichever chain produced it: async iterators on the loop, sync ones on
a thread of the request's (pulling.py), each chunk only when the one before it was taken. Files are Rust's to read.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable
from types import AsyncGeneratorType
from typing import Any, Protocol

from django.http.response import FileResponse, HttpResponse, HttpResponseBase, ResponseHeaders, StreamingHttpResponse

from turnout.django.pulling import send_pulled

log = logging.getLogger("turnout.django")

# What a file is read in: the size ASGIHandler gives its responses.
FILE_CHUNK_BYTES = 64 * 1024


class Exchange(Protocol):
    """One async request as Rust shows it. `reason`: the project's own words for the status."""

    disconnected: bool
    #: What outbound calls belong to that are made for the request (turnout/incoming.py).
    incoming: Any

    def respond(self, status: int, headers: list[tuple[str, str]], body: bytes, reason: str | None = None) -> None:
        """The whole answer at once."""

    def respond_file(
        self, status: int, headers: list[tuple[str, str]], file: Any, reason: str | None = None
    ) -> Awaitable[None] | None:
        """The rest of a real file, done when it is needed no longer; None, and nothing sent, if it is none."""

    def start(self, status: int, headers: list[tuple[str, str]], reason: str | None = None) -> None:
        """The head of a streamed answer."""

    def write(self, chunk: bytes) -> Awaitable[None]:
        """One chunk; done when there is room for the next."""

    def pull(self, source: Any, make_bytes: Any, plain: bool) -> Awaitable[None]:
        """All that an async generator yields, then the end. `plain`: `make_bytes` is Django's."""

    def end(self) -> None:
        """The streamed answer is whole."""

    def abort(self) -> None:
        """Close the connection: the answer cannot be finished."""

    def finish(self) -> None:
        """The request is over, however it went: the last that is asked."""


def headers_of(response: Any) -> list[tuple[str, str]]:
    """Header lines in Django's order, then one Set-Cookie a cookie."""
    headers = response.headers
    if type(headers) is ResponseHeaders and type(response).items is HttpResponseBase.items:
        lines = list(headers._store.values())
    else:
        lines = [(str(name), str(value)) for name, value in response.items()]
    if response.cookies:
        lines += [("Set-Cookie", cookie.output(header="").strip()) for cookie in response.cookies.values()]
    return lines


def stream(response: Any, exchange: Exchange) -> Awaitable[None]:
    """The body of a streaming response whose head is out, and its end."""
    if _is_async(response) and _is_plain_generator(response):
        return exchange.pull(response._iterator, response.make_bytes, _makes_utf8_as_django_does(response))
    return _stream(response, exchange)


def _is_plain_generator(response: Any) -> bool:
    """Whether the iterator is all there is to ask: Django's `streaming_content` would only call `make_bytes`."""
    own = type(response).streaming_content is StreamingHttpResponse.streaming_content
    return own and type(response._iterator) is AsyncGeneratorType


def _makes_utf8_as_django_does(response: Any) -> bool:
    own = type(response).make_bytes is HttpResponseBase.make_bytes and "make_bytes" not in response.__dict__
    return own and str(response.charset).lower() in ("utf-8", "utf8")


async def _stream(response: Any, exchange: Exchange) -> None:
    if _is_async(response):
        await _send_async(response, exchange)
    else:
        await send_pulled(response, exchange.write)
    exchange.end()


async def _send_async(response: Any, exchange: Exchange) -> None:
    async with contextlib.aclosing(_content(response)) as content:
        async for chunk in content:
            if chunk:
                await exchange.write(chunk)


async def _content(response: Any) -> Any:
    # `streaming_content` wraps the project's iterator in a generator of its own, which does not pass aclose() on.
    source = response._iterator if isinstance(response, StreamingHttpResponse) else None
    try:
        async for chunk in response.streaming_content:
            yield chunk
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def close_unread(response: Any) -> None:
    """Close the async iterator of a response that nobody wants."""
    close = getattr(response._iterator, "aclose", None)
    if close is not None:
        await close()


def _is_async(response: Any) -> bool:
    return bool(getattr(response, "is_async", False))


def widen_file_chunks(response: Any) -> None:
    """ASGIHandler's chunk size for files."""
    if isinstance(response, FileResponse):
        response.block_size = FILE_CHUNK_BYTES


_FILE_METHODS = ("streaming_content", "_set_streaming_content", "make_bytes", "__iter__", "__aiter__")
_READING = type(iter(int, 1))


def file_of(response: Any) -> Any:
    """The file object whose rest is what `response` streams; None where only its iterator knows."""
    if not isinstance(response, FileResponse) or response.file_to_stream is None:
        return None
    # Whoever sets other content, to compress it for one, loses `file_to_stream`; not so by the back door.
    if type(response._iterator) is not _READING or response.is_async or "make_bytes" in response.__dict__:
        return None
    kind = type(response)
    if kind is not FileResponse and any(
        getattr(kind, name) is not getattr(FileResponse, name) for name in _FILE_METHODS
    ):
        return None
    return response.file_to_stream


def send_file(response: Any, exchange: Exchange) -> Awaitable[None] | None:
    """The whole answer, if it is a file that Rust can read: done when it was sent or the peer has left."""
    file = file_of(response)
    if file is None:
        return None
    return exchange.respond_file(response.status_code, headers_of(response), file, response._reason_phrase)


def last_resort(debug_text: str = "") -> HttpResponse:
    """What is answered when not even Django's error handling gave a response."""
    return HttpResponse(debug_text or "Internal Server Error", content_type="text/plain", status=500)
