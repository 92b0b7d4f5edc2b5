"""What became of one call of a gather, in one word.

The native half finds the class by its name; strings, so that a report or a log line is JSON without a converter.
"""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """Each equals its lower-case name, and `str()` and `format()` give that, as with the StrEnum of Python 3.11."""

    OK = "ok"
    FALLBACK = "fallback"
    STALE = "stale"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    PROTOCOL = "protocol"
    DECODE = "decode"
    TOO_LARGE = "too_large"
    CIRCUIT_OPEN = "circuit_open"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    FORBIDDEN = "forbidden"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self._value_

    def __format__(self, spec: str) -> str:
        # Python 3.10 and 3.11 disagree about `format()` of an enum that is a string too.
        return format(self._value_, spec)

    @property
    def has_value(self) -> bool:
        """There is something to work with: an answer, an old one, or the caller's own in its place."""
        return self in _WITH_VALUE


_WITH_VALUE = frozenset({Status.OK, Status.FALLBACK, Status.STALE})
