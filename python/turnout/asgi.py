"""Runs plain ASGI apps: what goes wrong in one request stays in that request."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from turnout._turnout import Cycle

logger = logging.getLogger("turnout.error")


async def run(app: Callable[..., Awaitable[None]], scope: dict[str, Any], cycle: Cycle) -> None:
    """Awaits ``app`` for one request and closes what it left open; never raises.

    ``SystemExit`` and ``KeyboardInterrupt`` of an app are errors of that one request: let through, asyncio would
    end the loop, and with it every other request.
    """
    try:
        await app(scope, cycle.receive, cycle.send)
    except asyncio.CancelledError:
        cycle.finish()
    except BaseException:
        if not cycle.disconnected:
            logger.exception("Exception in the ASGI application: %s %s", scope["method"], scope["path"])
        cycle.finish()
    else:
        complaint = cycle.finish()
        if complaint:
            logger.error("%s: %s %s", complaint, scope["method"], scope["path"])
