"""httpx: a call is one wait, with its redirects and what signs it, and its body unless it is streamed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from turnout.watching.clock import place, put_in, timed, timed_async

_PORTS = {"http": 80, "https": 443}


def watch(module: Any) -> None:
    """`httpx`."""
    put_in(module.Client, "send", timed, "http", _target)
    put_in(module.AsyncClient, "send", timed_async, "http", _target)


def _target(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> str:
    try:
        # HTTPTransport(uds=...): known to its pool only.
        path = args[0]._transport._pool._uds
        if path is not None:
            return str(path)
    except AttributeError:
        pass
    url = result.url if result is not None else (args[1] if len(args) > 1 else kwargs["request"]).url
    try:
        parts = url._uri_reference
        target = (parts.scheme, parts.host, parts.port)
    except AttributeError:
        target = (url.scheme, url.host, url.port)
    return _place(*target)


@lru_cache(maxsize=1000)
def _place(scheme: str, host: str, port: int | None) -> str:
    return place(host, port or _PORTS.get(scheme, ""))
