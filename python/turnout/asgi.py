"""Runs plain ASGI apps: what goes wrong in one request stays in that request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from turnout.incoming import current_scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from turnout._turnout import Cycle

logger = logging.getLogger("turnout.error")
# What `http.response.debug` says goes here; a line is no longer than this, whatever an app puts into it.
debug_logger = logging.getLogger("turnout.debug")
_MOST_DEBUG = 10_000


async def run(app: Callable[..., Awaitable[None]], scope: dict[str, Any], cycle: Cycle) -> None:
    """Awaits ``app`` for one request and closes what it left open; never raises.

    ``SystemExit`` and ``KeyboardInterrupt`` of an app are errors of that one request: let through, asyncio would
    end the loop, and with it every other request.
    """
    current_scope.set(cycle.incoming)
    try:
        await app(scope, cycle.receive, cycle.send)
    except asyncio.CancelledError:
        cycle.finish()
    except BaseException as error:
        if not (cycle.disconnected and _comes_from_leaving(error)):
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            logger.exception("Exception in the ASGI application: %s %s: %s", scope["method"], scope["path"], what)
        cycle.finish()
    else:
        complaint = cycle.finish()
        if complaint:
            logger.error("%s: %s %s", complaint, scope["method"], scope["path"])


def log_debug(info: dict[str, Any]) -> None:
    """What an app says with ``http.response.debug``."""
    debug_logger.debug("http.response.debug: %.*r", _MOST_DEBUG, info)


def _comes_from_leaving(error: BaseException | None) -> bool:
    """Whether it is what `send` raises when the client has left, or was made of it, as frameworks do."""
    while error is not None:
        if isinstance(error, OSError):
            return True
        group = getattr(error, "exceptions", None)
        if group:
            return all(_comes_from_leaving(one) for one in group)
        error = error.__cause__ or error.__context__
    return False
