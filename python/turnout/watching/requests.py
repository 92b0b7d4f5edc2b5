"""requests: a call is one wait, with its redirects, and its body unless it is streamed. urllib3 works inside."""

from __future__ import annotations

from typing import Any

from turnout.watching.clock import place_of, put_in, timed


def watch(module: Any) -> None:
    """`requests.sessions`."""
    put_in(module.Session, "send", timed, "http", _target)


def _target(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, error: Any) -> str:
    if result is not None and result.url:
        return place_of(result.url)
    return place_of((args[1] if len(args) > 1 else kwargs["request"]).url)
