"""What is kept of a request and a response where they cannot go themselves: in a pickled error, a log line, a report.

The one place where a URL loses what must not be shown: user information and query.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

# A URL as it stands in a sentence. The authority ends at the first of "/?#" (RFC 3986, 3.2); what is left of the
# last "@" in it is user information.
_URL = re.compile(
    r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<authority>[^\s/?#'\"<>]*)(?P<path>[^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?"
)
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::\d*)?")
# An answer's body says what went wrong, in its beginning.
_BODY_KEPT = 64 * 1024
_CREDENTIALS = frozenset({"set-cookie", "authorization", "proxy-authorization", "cookie", "www-authenticate"})


def without_secrets(text: str) -> str:
    """The same with no user information and no query in any URL."""
    if "://" not in text:
        return text
    return _URL.sub(_bare, text)


def _bare(found: re.Match[str]) -> str:
    host, path = found["authority"].rpartition("@")[2], found["path"]
    if "@" in path and not _HOST.fullmatch(host):
        # A password with an unencoded slash in it: what looks like the host is its beginning.
        host, path = "", path.rpartition("@")[2]
    return found["scheme"] + host + path


@dataclass(frozen=True)
class RequestSummary:
    """Of a request: what was asked of whom."""

    method: str
    url: str
    idempotent: bool = False
    upstream: str | None = None


@dataclass(frozen=True)
class ResponseSummary:
    """Of a response: its head without what is secret, and the beginning of its body as far as it had been read."""

    status_code: int
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """The body, bytes that are no UTF-8 replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, which is cut off after 64 KiB."""
        return json.loads(self.content)


def summary_of_request(request: Any) -> RequestSummary | None:
    """None of None, and a summary of a summary is itself."""
    if request is None or isinstance(request, RequestSummary):
        return request
    return RequestSummary(
        method=str(request.method),
        url=without_secrets(str(request.url)),
        idempotent=bool(getattr(request, "idempotent", False)),
        upstream=getattr(request, "upstream", None),
    )


def summary_of_response(response: Any) -> ResponseSummary | None:
    """None of None, and a summary of a summary is itself."""
    if response is None or isinstance(response, ResponseSummary):
        return response
    shown = tuple((name, value) for name, value in _lines(response.headers) if name.lower() not in _CREDENTIALS)
    return ResponseSummary(
        status_code=int(response.status_code),
        url=without_secrets(str(response.url)),
        headers=shown,
        content=_read_so_far(response)[:_BODY_KEPT],
    )


def _lines(headers: Any) -> list[tuple[str, str]]:
    many = getattr(headers, "multi_items", None) or headers.items
    return [(str(name), str(value)) for name, value in many()]


def _read_so_far(response: Any) -> bytes:
    """The body of one that was streamed may be gone, or still on its way: then nothing."""
    try:
        return bytes(response.content)
    except Exception:
        return b""
