"""aiohttp: a call is one wait up to its head, with its connector and redirects; its body is one more if it is late."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from turnout.watching.clock import UNKNOWN, place, place_of, put_in, queued_async, timed_async


def watch(module: Any) -> None:
    """`aiohttp`."""
    put_in(module.ClientSession, "_request", timed_async, "http", _of_call)
    put_in(module.ClientResponse, "read", timed_async, "http", _of_body, _is_late)
    # Since 3.11: called where the limit of the connector is reached.
    put_in(module.connector.BaseConnector, "_wait_for_available_connection", queued_async, lambda args, kwargs: True)


def _of_call(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    session = args[0]
    path = getattr(session.connector, "path", None)
    if path is not None:
        return str(path)
    if result is not None:
        return _place(result.url.host, result.url.port)
    target = args[2] if len(args) > 2 else kwargs["str_or_url"]
    url = str(target)
    return place_of(url if "://" in url else str(session._base_url or ""))


def _of_body(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    response = args[0]
    session = getattr(response, "_session", None)
    path = None if session is None else getattr(session.connector, "path", None)
    if path is not None:
        return str(path)
    return _place(response.url.host or UNKNOWN, response.url.port)


_place = lru_cache(maxsize=1000)(place)


def _is_late(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    response = args[0]
    return response._body is None and not response.content.is_eof()
