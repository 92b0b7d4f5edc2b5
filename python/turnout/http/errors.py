"""Why a call has no answer, or not the wanted one.

One root, httpx's names, and each is also the builtin that plain Python code would catch. `str()` is a sentence for
people, without credentials and without the URL's query. All are picklable: what they were about travels as a summary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.http.status import Status
from turnout.http.summaries import (
    RequestSummary,
    ResponseSummary,
    summary_of_request,
    summary_of_response,
    without_secrets,
)

if TYPE_CHECKING:
    from turnout.http.timings import Timings


class HTTPError(Exception):
    """What every call can raise.

    `sent`: something of the request may have reached the upstream. `retryable`: another try may go better and does no
    harm, because nothing was sent or the request is idempotent. `retry_after`: when, in seconds, if somebody said so.
    """

    #: What `Outcome.status` says of such an error.
    outcome_status = Status.PROTOCOL
    #: It may pass by itself.
    _passing = False

    def __init__(
        self,
        message: str = "",
        *,
        request: Any = None,
        response: Any = None,
        upstream: str | None = None,
        attempts: int = 0,
        timings: Timings | None = None,
        sent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(without_secrets(message))
        self.request = request
        self.response = response
        self.upstream = upstream
        self.attempts = attempts
        self.timings = timings
        self.sent = sent
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Another try may go better, and does no harm."""
        return self._passing and (not self.sent or bool(getattr(self.request, "idempotent", False)))

    def __reduce__(self) -> tuple[Any, ...]:
        request, response = summary_of_request(self.request), summary_of_response(self.response)
        known = {**self.__dict__, "request": request, "response": response}
        fields = {name: known.pop(name) for name in _FIELDS if name in known}
        # What is left are notes and whatever somebody hung on it.
        return _rebuilt, (type(self), self.args, fields), known or None


_FIELDS = ("request", "response", "upstream", "attempts", "timings", "sent", "retry_after")


def _rebuilt(kind: type[HTTPError], args: tuple[Any, ...], fields: dict[str, Any]) -> HTTPError:
    return kind(*args, **fields)


class RequestError(HTTPError):
    """There is no answer, or none that can be used."""


class TransportError(RequestError):
    """On the way to the upstream or back."""


class TimeoutException(TransportError, TimeoutError):
    """Something took longer than it may."""

    outcome_status = Status.TIMEOUT
    _passing = True


class ConnectTimeout(TimeoutException):
    """No connection within `Timeout(connect=)`, TLS included."""


class WriteTimeout(TimeoutException):
    """The upstream took no more of the request for `Timeout(write=)`."""


class ReadTimeout(TimeoutException):
    """No answer within `Timeout(first_byte=)`, or a pause in its body longer than `Timeout(read=)`."""


class PoolTimeout(TimeoutException):
    """No free connection within `Timeout(pool=)`."""


class AttemptTimeout(TimeoutException):
    """One attempt took longer than `Timeout(attempt=)`."""


class DeadlineExceeded(TimeoutException):
    """Our own time is over: the call's total, the gather's, or what is left of the incoming request's."""

    outcome_status = Status.DEADLINE


class NetworkError(TransportError, ConnectionError):
    """The connection could not be made, or broke."""

    outcome_status = Status.CONNECT
    _passing = True


class DNSError(NetworkError):
    """The name has no address, or nobody could say."""

    outcome_status = Status.DNS


class ConnectError(NetworkError):
    """No address took the connection."""


class TLSError(NetworkError):
    """The handshake failed, or the certificate was refused."""

    outcome_status = Status.TLS
    # A certificate that is refused now is refused in a second.
    _passing = False


class ReadError(NetworkError):
    """The connection broke while the answer was read."""


class WriteError(NetworkError):
    """The connection broke while the request was written."""


class ProtocolError(TransportError):
    """One side does not speak HTTP."""


class LocalProtocolError(ProtocolError):
    """The request as given cannot be sent: the caller's fault."""


class RemoteProtocolError(ProtocolError):
    """The answer is not HTTP: the upstream's fault."""

    _passing = True


class ProxyError(TransportError):
    """The proxy refused, or spoke nonsense."""

    outcome_status = Status.CONNECT
    _passing = True


class UnsupportedProtocol(TransportError):
    """A scheme other than `http` and `https`."""


class InvalidURL(TransportError, ValueError):
    """The URL is none: the caller's fault."""


class RejectedError(RequestError):
    """Nothing was sent: a policy of the caller's own said no."""

    outcome_status = Status.OVERLOADED
    _passing = True


class CircuitOpen(RejectedError):
    """The circuit breaker of this upstream is open."""

    outcome_status = Status.CIRCUIT_OPEN


class RateLimited(RejectedError):
    """The rate limit of this upstream is used up."""

    outcome_status = Status.RATE_LIMITED


class Overloaded(RejectedError):
    """The bulkhead of this upstream, or the pool's queue, is full."""


class ForbiddenAddress(RejectedError):
    """The address policy does not allow where the name leads."""

    outcome_status = Status.FORBIDDEN
    _passing = False


class DecodingError(RequestError):
    """The body's encoding is broken."""

    outcome_status = Status.DECODE


class JSONDecodeError(DecodingError, ValueError):
    """The body is not JSON."""


class ResponseTooLarge(RequestError):
    """More bytes than `max_body`, as received or as decoded."""

    outcome_status = Status.TOO_LARGE


class TooManyRedirects(RequestError):
    """More of them than `max_redirects`."""


class RequestCancelled(RequestError):
    """The incoming request that this call belongs to is over. In async views asyncio.CancelledError takes its place."""

    outcome_status = Status.CANCELLED


class HTTPStatusError(HTTPError):
    """The answer is a 4xx or 5xx, and somebody asked for none: `raise_for_status()`, or a gather."""

    outcome_status = Status.HTTP_ERROR

    @property
    def retryable(self) -> bool:
        """A status that may pass, of a request that may be sent again."""
        return getattr(self.response, "status_code", 0) in _PASSING and bool(getattr(self.request, "idempotent", False))


# What an upstream answers that is asked too much, or whose own upstream is away (RFC 9110, 15.6; RFC 6585, 4).
_PASSING = frozenset({429, 502, 503, 504})

#: By the name of the native `Kind`: what the border raises.
BY_KIND: dict[str, type[HTTPError]] = {
    "ConnectTimeout": ConnectTimeout,
    "WriteTimeout": WriteTimeout,
    "ReadTimeout": ReadTimeout,
    "PoolTimeout": PoolTimeout,
    "AttemptTimeout": AttemptTimeout,
    "DeadlineExceeded": DeadlineExceeded,
    "Dns": DNSError,
    "Connect": ConnectError,
    "Tls": TLSError,
    "Read": ReadError,
    "Write": WriteError,
    "LocalProtocol": LocalProtocolError,
    "RemoteProtocol": RemoteProtocolError,
    "Proxy": ProxyError,
    "UnsupportedProtocol": UnsupportedProtocol,
    "CircuitOpen": CircuitOpen,
    "RateLimited": RateLimited,
    "Overloaded": Overloaded,
    "ForbiddenAddress": ForbiddenAddress,
    "Decoding": DecodingError,
    "Json": JSONDecodeError,
    "ResponseTooLarge": ResponseTooLarge,
    "TooManyRedirects": TooManyRedirects,
    "Cancelled": RequestCancelled,
    "InvalidUrl": InvalidURL,
}

__all__ = [
    "BY_KIND",
    "AttemptTimeout",
    "CircuitOpen",
    "ConnectError",
    "ConnectTimeout",
    "DNSError",
    "DeadlineExceeded",
    "DecodingError",
    "ForbiddenAddress",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "JSONDecodeError",
    "LocalProtocolError",
    "NetworkError",
    "Overloaded",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "RateLimited",
    "ReadError",
    "ReadTimeout",
    "RejectedError",
    "RemoteProtocolError",
    "RequestCancelled",
    "RequestError",
    "RequestSummary",
    "ResponseSummary",
    "ResponseTooLarge",
    "TLSError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
]
