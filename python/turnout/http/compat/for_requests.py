"""turnout's pool and policies under requests' sessions."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.adapters import HTTPAdapter as RequestsAdapter
from requests.utils import select_proxy

from turnout.http import errors
from turnout.http.client import Client
from turnout.http.compat import common
from turnout.http.reaching import Proxy, TLSConfig

_OWN: dict[type[errors.HTTPError], type[requests.RequestException]] = {
    errors.ConnectTimeout: requests.exceptions.ConnectTimeout,
    errors.TimeoutException: requests.exceptions.ReadTimeout,
    errors.TLSError: requests.exceptions.SSLError,
    errors.ProxyError: requests.exceptions.ProxyError,
    errors.InvalidURL: requests.exceptions.InvalidURL,
    errors.UnsupportedProtocol: requests.exceptions.InvalidSchema,
    errors.HTTPError: requests.exceptions.ConnectionError,
}
# What a body is read in that is a file.
_PIECE = 64 * 1024
# Sessions differ in few ways; one that makes up a new one a call must not keep them all.
_CLIENTS_KEPT = 16


class HTTPAdapter(BaseAdapter):
    """For `session.mount("https://", HTTPAdapter())`. Takes what a `Client` is made from.

    `verify`, `cert` and `proxies` are the session's, as with requests' own adapter. Time-outs are requests', by phase.
    """

    def __init__(self, client: Client | None = None, **options: Any) -> None:
        super().__init__()
        if client is not None and options:
            raise TypeError(f"a client is given, and with it {', '.join(options)}: make the client with these")
        self._given = client
        self._options = options
        self._clients: dict[Any, Client] = {}
        self._lock = threading.Lock()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One call. Without `stream` the session reads the body at once."""
        client = self._client_for(request, verify, cert, proxies)
        try:
            response = client.send(_call(request, timeout), stream=True)
        except errors.HTTPError as error:
            raise common.translated(error, _OWN)(str(error), request=request) from error
        raw = urllib3.HTTPResponse(
            body=_Body(response, request),
            headers=urllib3.HTTPHeaderDict(response.headers.multi_items()),
            status=response.status_code,
            version=_VERSIONS.get(response.http_version, 11),
            reason=response.reason_phrase,
            preload_content=False,
            decode_content=False,
            original_response=_Head(response),  # type: ignore[arg-type]
            request_method=request.method,
        )
        return RequestsAdapter.build_response(self, request, raw)  # type: ignore[arg-type]

    def close(self) -> None:
        """Nothing: connections are the pool's, which others use too."""

    def _client_for(self, request: Any, verify: Any, cert: Any, proxies: Any) -> Client:
        if self._given is not None:
            return self._given
        proxy = select_proxy(request.url, proxies)
        key = (verify, tuple(cert) if isinstance(cert, list) else cert, proxy)
        with self._lock:
            found = self._clients.get(key)
            if found is None:
                if len(self._clients) >= _CLIENTS_KEPT:
                    self._clients.pop(next(iter(self._clients)))
                found = self._clients[key] = Client(**{**_ways(*key), **self._options})
            return found


def _ways(verify: Any, cert: Any, proxy: str | None) -> dict[str, Any]:
    """How a session's words are called here. No proxy is none: requests has asked the environment itself."""
    if isinstance(verify, str):
        # requests believes these alone, and nobody else.
        verify = TLSConfig(ca=verify, system_roots=False)
    if proxy is not None and "://" not in proxy:
        proxy = f"http://{proxy}"
    return {"verify": verify, "cert": cert, "proxy": Proxy.NONE if proxy is None else Proxy(proxy)}


def _call(request: requests.PreparedRequest, timeout: Any) -> Any:
    from turnout._turnout import HttpRequest

    connect, read = _connect_and_read(timeout)
    url = str(request.url)
    parts = urlsplit(url)
    headers = [(_text(name), _text(value)) for name, value in request.headers.items()]
    return HttpRequest(
        str(request.method),
        url,
        headers=common.fields(headers, parts.netloc.rpartition("@")[2]),
        content=_content(request.body),
        options={**common.OPTIONS, "timeout": common.phases(connect, read, read, None)},
    )


def _connect_and_read(timeout: Any) -> tuple[float | None, float | None]:
    if timeout is None or isinstance(timeout, (int, float)):
        return timeout, timeout
    if isinstance(timeout, urllib3.Timeout):
        return _seconds(timeout.connect_timeout), _seconds(timeout.read_timeout)
    try:
        connect, read = timeout
    except (TypeError, ValueError):
        raise ValueError(f"Invalid timeout {timeout}. Pass a (connect, read) timeout tuple, or one number") from None
    return connect, read


def _seconds(given: Any) -> float | None:
    return float(given) if isinstance(given, (int, float)) else None


def _text(given: str | bytes) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else given


def _content(body: Any) -> Any:
    if body is None or isinstance(body, (str, bytes, bytearray)):
        return body
    return _pieces(body) if hasattr(body, "read") else body


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece.encode() if isinstance(piece, str) else piece


class _Body(io.RawIOBase):
    """The answer's body as a file, with urllib3's errors: requests knows these."""

    def __init__(self, response: Any, request: requests.PreparedRequest) -> None:
        self._response = response
        self._request = request
        self._pieces: Iterable[bytes] = iter(response.iter_bytes())
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            try:
                self._rest = next(self._pieces, b"")  # type: ignore[call-overload]
            except errors.TimeoutException as error:
                raise urllib3.exceptions.ReadTimeoutError(None, str(self._request.url), str(error)) from error  # type: ignore[arg-type]
            except errors.HTTPError as error:
                raise urllib3.exceptions.ProtocolError(str(error), error) from error
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


class _Head:
    """As much of http.client's response as requests' cookies are read from."""

    def __init__(self, response: Any) -> None:
        self.msg = Message()
        for name, value in response.headers.multi_items():
            self.msg[name] = value

    def isclosed(self) -> bool:
        return False

    def close(self) -> None:
        """The body is closed by itself."""


_VERSIONS = {"HTTP/1.0": 10, "HTTP/1.1": 11, "HTTP/2": 20}

__all__ = ["HTTPAdapter"]
