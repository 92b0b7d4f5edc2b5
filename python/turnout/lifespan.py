"""The lifespan of an ASGI application (ASGI specification, "Lifespan Protocol")."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

logger = logging.getLogger("turnout.error")


class LifespanError(Exception):
    """The application said that it cannot start."""


class Lifespan:
    """One application's lifespan; an application that does not know the protocol has none."""

    def __init__(self, application: Any) -> None:
        self._application = application
        #: What the application put in ``scope["state"]``, for every request.
        self.state: dict[str, Any] = {}
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Wait until the application is ready; LifespanError when it is not going to be."""
        self._answer = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        await asyncio.wait([self._task, self._answer], return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done() and self._answer.result()["type"] == "lifespan.startup.failed":
            raise LifespanError(self._answer.result().get("message") or "lifespan.startup.failed")
        if not self._answer.done():
            # It raised or returned without a word: it does not know the protocol (the specification's reading).
            self._task = None

    async def shutdown(self) -> None:
        """Let the application put things away; whoever limits the time cancels this."""
        if self._task is None or self._task.done():
            return
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait([self._task, self._answer], return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done() and self._answer.result()["type"] == "lifespan.shutdown.failed":
            logger.error("the application's shutdown failed: %s", self._answer.result().get("message", ""))

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._application(scope, self._events.get, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self._answer is not None and self._answer.done():
                logger.error("the application's lifespan ended early", exc_info=error)
            else:
                logger.info("the application has no lifespan: %r", error)

    async def _send(self, message: dict[str, Any]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
