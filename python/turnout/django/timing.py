"""`Server-Timing` (W3C): the answer says where its time went, and the browser shows it beside the request.

Told up to the moment when the response left the middleware; sending it comes after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings

from turnout.times import Times

HEADER = "Server-Timing"


def rule(option: str) -> Callable[[Any, Any], None] | None:
    """What is called with each request and its response, by the option's word; None: nothing is."""
    if option == "on" or (option == "auto" and settings.DEBUG):
        return tell
    return None if option == "off" else tell_staff


def tell(request: Any, response: Any) -> None:
    """Add the header."""
    accounted = request.turnout
    times = accounted.times if accounted is not None else None
    if times is None:
        return
    theirs, ours = response.headers.get(HEADER), told(times, accounted.waits)
    response.headers[HEADER] = f"{theirs}, {ours}" if theirs else ours


def tell_staff(request: Any, response: Any) -> None:
    """Add the header if the project has found out that the user is of its staff; nobody is looked up for this."""
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    if user is not None and getattr(user, "is_staff", False) is True:
        tell(request, response)


def told(times: Times, waits: dict[str, float]) -> str:
    """`cpu;dur=3.2, waitcpu;dur=1.1;desc="gil 0.9", io;dur=45.0;desc="db 12.0 http 33.0"`, in milliseconds."""
    wait_cpu = _described(
        ("run queue", times.run_queue),
        ("gil", times.gil),
        ("loop", times.loop_queue),
        ("no thread", times.no_thread_cpu),
    )
    wait_io = _described(*waits.items(), ("no thread", times.no_thread_io), ("client", times.client))
    return (
        f"cpu;dur={_ms(times.processing)}"
        f", waitcpu;dur={_ms(times.waiting_for_cpu)}{wait_cpu}"
        f", io;dur={_ms(times.waiting_for_io)}{wait_io}"
    )


def _described(*parts: tuple[str, float]) -> str:
    named = " ".join(f"{name} {_ms(seconds)}" for name, seconds in parts if seconds >= 0.00005)
    return f';desc="{named}"' if named else ""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"
