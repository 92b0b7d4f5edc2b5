"""turnout's pool and policies under httpx's clients."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from turnout.http import errors
from turnout.http.client import Client
from turnout.http.compat import common

_OWN: dict[type[errors.HTTPError], type[httpx.TransportError]] = {
    errors.ConnectTimeout: httpx.ConnectTimeout,
    errors.WriteTimeout: httpx.WriteTimeout,
    errors.PoolTimeout: httpx.PoolTimeout,
    errors.TimeoutException: httpx.ReadTimeout,
    errors.ReadError: httpx.ReadError,
    errors.WriteError: httpx.WriteError,
    errors.NetworkError: httpx.ConnectError,
    errors.LocalProtocolError: httpx.LocalProtocolError,
    errors.RemoteProtocolError: httpx.RemoteProtocolError,
    errors.ProtocolError: httpx.ProtocolError,
    errors.ProxyError: httpx.ProxyError,
    errors.UnsupportedProtocol: httpx.UnsupportedProtocol,
    errors.InvalidURL: httpx.UnsupportedProtocol,
    errors.RejectedError: httpx.ConnectError,
    errors.RequestError: httpx.ReadError,
    errors.HTTPError: httpx.TransportError,
}


class HttpxTransport(httpx.BaseTransport):
    """For `httpx.Client(transport=...)`. Takes a `Client`, or what one is made from.

    Time-outs are httpx's, by phase. `close()` closes nothing: the pool is its client's.
    """

    def __init__(self, client: Client | None = None, **options: Any) -> None:
        self._client = _client(client, options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One call; the body is read when httpx asks for it."""
        with _raising(request):
            response = self._client.send(_call(request), stream=True)
        return _response(response, _Body(response, request))


class AsyncHttpxTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient(transport=...)`. The client may be used from any number of event loops."""

    def __init__(self, client: Client | None = None, **options: Any) -> None:
        self._client = _client(client, options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One call; the body is read when httpx asks for it."""
        with _raising(request):
            response = await self._client.asend(_call(request), stream=True)
        return _response(response, _AsyncBody(response, request))


class _Body(httpx.SyncByteStream):
    def __init__(self, response: Any, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _raising(self._request):
            yield from self._response.iter_bytes()

    def close(self) -> None:
        self._response.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, response: Any, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _raising(self._request):
            async for chunk in self._response.aiter_bytes():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _client(client: Client | None, options: dict[str, Any]) -> Client:
    if client is not None and options:
        raise TypeError(f"a client is given, and with it {', '.join(options)}: make the client with these")
    return client if client is not None else Client(**options)


def _call(request: httpx.Request) -> Any:
    from turnout._turnout import HttpRequest

    limits = request.extensions.get("timeout", {})
    timeout = common.phases(*(limits.get(name) for name in ("connect", "read", "write", "pool")))
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return HttpRequest(
        request.method,
        str(request.url),
        headers=common.fields(pairs, request.url.netloc.decode("ascii")),
        content=_content(request),
        options={**common.OPTIONS, "timeout": timeout},
    )


def _content(request: httpx.Request) -> Any:
    try:
        return request.content
    except httpx.RequestNotRead:
        return request.stream


def _response(response: Any, body: Any) -> httpx.Response:
    return httpx.Response(
        response.status_code,
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.multi_items()],
        stream=body,
        extensions={
            "http_version": response.http_version.encode("ascii"),
            "reason_phrase": response.reason_phrase.encode("latin-1"),
            "turnout": response,
        },
    )


@contextlib.contextmanager
def _raising(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except errors.HTTPError as error:
        raise common.translated(error, _OWN)(str(error), request=request) from error
