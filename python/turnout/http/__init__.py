"""Outbound HTTP for sync and async code: one client, one pool of connections a process, n calls at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from turnout._turnout import HttpAuth as Auth
from turnout._turnout import HttpCookieJar as CookieJar
from turnout._turnout import HttpHeaders as Headers
from turnout._turnout import HttpJson as Json
from turnout._turnout import HttpRequest as Request
from turnout._turnout import HttpResponse as Response
from turnout.http.cassette import cassette
from turnout.http.client import Client
from turnout.http.client import process_client as client
from turnout.http.completed import AsCompleted
from turnout.http.errors import (
    AttemptTimeout,
    CircuitOpen,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    DecodingError,
    DNSError,
    ForbiddenAddress,
    HTTPError,
    HTTPStatusError,
    InvalidURL,
    JSONDecodeError,
    LocalProtocolError,
    NetworkError,
    Overloaded,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    RateLimited,
    ReadError,
    ReadTimeout,
    RejectedError,
    RemoteProtocolError,
    RequestCancelled,
    RequestError,
    RequestSummary,
    ResponseSummary,
    ResponseTooLarge,
    TimeoutException,
    TLSError,
    TooManyRedirects,
    TransportError,
    UnsupportedProtocol,
    WriteError,
    WriteTimeout,
)
from turnout.http.gathered import Gathered, GatherError
from turnout.http.mock import mock
from turnout.http.outcomes import Outcome
from turnout.http.policies import (
    Backoff,
    Bulkhead,
    Cache,
    CircuitBreaker,
    Coalesce,
    Hedge,
    Limits,
    Policy,
    RateLimit,
    Retry,
    RetryBudget,
    Select,
    Timeout,
)
from turnout.http.reaching import AddressPolicy, Proxy, TLSConfig
from turnout.http.rules import Reply, UnexpectedRequest
from turnout.http.scope import current_deadline, deadline, detached
from turnout.http.settings import configure
from turnout.http.status import Status
from turnout.http.timings import Timings
from turnout.http.transports import ASGITransport, WSGITransport

if TYPE_CHECKING:
    from turnout.http.lazyresponse import LazyJsonResponse as LazyJsonResponse

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"


if sys.modules.get("django") is not None:
    # `manage.py check` then looks at the setting.
    import turnout.http.djangochecks  # noqa: F401 - registers itself


def __getattr__(name: str) -> Any:
    if name == "LazyJsonResponse":
        # Django's, and a program without Django has none.
        from turnout.http.lazyresponse import LazyJsonResponse

        return LazyJsonResponse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def stats() -> dict[str, Any]:
    """`client.stats()`: what happened so far to the calls of the process client, by upstream, and its connections."""
    return client.stats()


__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "ASGITransport",
    "AddressPolicy",
    "AsCompleted",
    "AttemptTimeout",
    "Auth",
    "Backoff",
    "Bulkhead",
    "Cache",
    "CircuitBreaker",
    "CircuitOpen",
    "Client",
    "Coalesce",
    "ConnectError",
    "ConnectTimeout",
    "CookieJar",
    "DNSError",
    "DeadlineExceeded",
    "DecodingError",
    "ForbiddenAddress",
    "GatherError",
    "Gathered",
    "HTTPError",
    "HTTPStatusError",
    "Headers",
    "Hedge",
    "InvalidURL",
    "JSONDecodeError",
    "Json",
    "Limits",
    "LocalProtocolError",
    "NetworkError",
    "Outcome",
    "Overloaded",
    "Policy",
    "PoolTimeout",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "RateLimit",
    "RateLimited",
    "ReadError",
    "ReadTimeout",
    "RejectedError",
    "RemoteProtocolError",
    "Reply",
    "Request",
    "RequestCancelled",
    "RequestError",
    "RequestSummary",
    "Response",
    "ResponseSummary",
    "ResponseTooLarge",
    "Retry",
    "RetryBudget",
    "Select",
    "Status",
    "TLSConfig",
    "TLSError",
    "Timeout",
    "TimeoutException",
    "Timings",
    "TooManyRedirects",
    "TransportError",
    "UnexpectedRequest",
    "UnsupportedProtocol",
    "WSGITransport",
    "WriteError",
    "WriteTimeout",
    "cassette",
    "client",
    "configure",
    "current_deadline",
    "deadline",
    "detached",
    "mock",
    "stats",
]
