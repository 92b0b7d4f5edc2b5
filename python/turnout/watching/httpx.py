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


def _target(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    try:
        # HTTPTransport(uds=...): known to its pool only.
        path = args[0]._transport._pool._uds
        if path is not None:
            return str(path)
    except AttributeError:
        pass
    request = args[1] if len(args) > 1 else kwargs["request"]
    # After redirects the answer's own request is another one. Its property asks whether there is one.
    url = (request if result is None else getattr(result, "_request", None) or request).url
    try:
        parts = url._uri_reference
        target = (parts.scheme, parts.host, parts.port)
    except AttributeError:
        target = (url.scheme, url.host, url.port)
    return _place(*target)


@lru_cache(maxsize=1000)
def _place(scheme: str, host: str, port: int | None) -> str:
    return place(host, port or _PORTS.get(scheme, ""))
