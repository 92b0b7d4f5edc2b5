"""What calls, clients and gathers take by name, for type checkers and editors. Nobody imports it at run time."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping
from typing import IO, Any, Generic, Literal, TypeAlias, TypeVar

from typing_extensions import TypedDict

from turnout._turnout import HttpAuth, HttpCookieJar, HttpRequest, HttpTransport
from turnout.http.errors import HTTPError
from turnout.http.policies import (
    Bulkhead,
    Cache,
    CircuitBreaker,
    Coalesce,
    Hedge,
    Policy,
    RateLimit,
    Retry,
    Select,
    Timeout,
)
from turnout.http.reaching import PEM, AddressPolicy, Proxy, TLSConfig
from turnout.http.transports import ASGITransport, WSGITransport

K = TypeVar("K")

Params: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]] | str | None"
Fields: TypeAlias = "Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]] | None"
Content: TypeAlias = "bytes | str | IO[bytes] | Iterable[bytes] | AsyncIterable[bytes] | None"
Transport: TypeAlias = "HttpTransport | WSGITransport | ASGITransport | None"
Auth: TypeAlias = "tuple[str, str] | HttpAuth | Callable[[HttpRequest], Fields] | None"


class Shared(TypedDict, total=False):
    """What a client fixes and one call may replace."""

    auth: Auth
    timeout: float | Timeout | None
    policy: Policy | Mapping[str, Any] | None
    follow_redirects: bool
    max_redirects: int
    verify: bool | TLSConfig
    cert: PEM | tuple[PEM, PEM] | None
    proxy: str | Proxy | None
    http2: bool | Literal["only"]
    max_body: int
    addresses: AddressPolicy


class Options(Shared, total=False):
    """The same, as one call says it."""

    cookies: HttpCookieJar | None
    decompress: bool
    transport: Transport


class Parts(Options, total=False):
    """What a call takes besides its method and its URL."""

    params: Params
    headers: Fields
    json: Any
    data: Any
    files: Any
    content: Content
    idempotent: bool | None
    upstream: str | None
    options: Mapping[str, Any] | None


class ClientOptions(Shared, total=False):
    """What a client takes besides its base URL, its limits and its upstreams."""

    headers: Mapping[str, str] | None
    params: Mapping[str, Any] | None
    retry: Retry | Mapping[str, Any] | None
    hedge: Hedge | Mapping[str, Any] | None
    breaker: CircuitBreaker | Mapping[str, Any] | None
    bulkhead: Bulkhead | Mapping[str, Any] | None
    rate: RateLimit | Mapping[str, Any] | None
    coalesce: Coalesce | Mapping[str, Any] | None
    cache: Cache | Mapping[str, Any] | None


class Common(TypedDict, Generic[K], total=False):
    """What a gather takes, and `as_completed` too."""

    deadline: float | None
    timeout: float | Timeout | None
    fallback: Mapping[K, Any] | Callable[[K, HTTPError], Any] | None
    max_concurrency: int | None
    decode: Literal["json", "lazy", "text", "bytes"]
    select: Select | str | Mapping[K, Select | str] | None
    policy: Policy | None


class Plan(Common[K], Generic[K], total=False):
    """What a gather takes."""

    return_when: Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
    quorum: int | None
    grace: float
    require: Collection[K]
