"""Other clients' front, turnout's connections: an SDK built on httpx or requests gains the pool and the policies.

    httpx.Client(transport=HttpxTransport())
    httpx.AsyncClient(transport=AsyncHttpxTransport())
    session.mount("https://", HTTPAdapter())

Neither library is needed before its adapter is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.http.compat.for_httpx import AsyncHttpxTransport, HttpxTransport
    from turnout.http.compat.for_requests import HTTPAdapter

__all__ = ["AsyncHttpxTransport", "HTTPAdapter", "HttpxTransport"]


def __getattr__(name: str) -> Any:
    if name in ("HttpxTransport", "AsyncHttpxTransport"):
        from turnout.http.compat import for_httpx

        return getattr(for_httpx, name)
    if name == "HTTPAdapter":
        from turnout.http.compat.for_requests import HTTPAdapter

        return HTTPAdapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
