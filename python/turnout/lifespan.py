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
        # What was asked last, and its answer.
        self._asked = ""
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._heard = False
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Wait until the application is ready; LifespanError when it is not going to be."""
        self._task = asyncio.ensure_future(self._run())
        answer = await self._ask("startup")
        if answer is None:
            # It raised or returned without a word: it does not know the protocol (the specification's reading).
            self._task = None
        elif answer["type"].endswith(".failed"):
            raise LifespanError(answer.get("message") or "lifespan.startup.failed")

    async def shutdown(self) -> None:
        """Let the application put things away; whoever limits the time cancels this."""
        started = self._asked == "startup" and self._answer is not None and self._answer.done()
        if self._task is None or self._task.done() or not started:
            return
        answer = await self._ask("shutdown")
        if answer is not None and answer["type"].endswith(".failed"):
            logger.error("the application's shutdown failed: %s", answer.get("message", ""))

    async def _ask(self, event: str) -> dict[str, Any] | None:
        """The application's answer, or None when its lifespan ended without one."""
        assert self._task is not None
        self._asked = event
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": f"lifespan.{event}"})
        await asyncio.wait([self._task, self._answer], return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._application(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if self._answer is not None and self._answer.done():
                if self._answer.result()["type"] != "lifespan.startup.failed":
                    logger.error("the application's lifespan ended early", exc_info=error)
            elif self._asked == "shutdown":
                logger.error("the application's shutdown failed", exc_info=error)
            elif self._heard:
                # It knows the protocol. The specification has us serve it all the same.
                logger.warning("the application's startup raised; it is served without a lifespan", exc_info=error)
            else:
                logger.info("the application has no lifespan: %r", error)

    async def _receive(self) -> dict[str, str]:
        event = await self._events.get()
        self._heard = True
        return event

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        if kind not in (f"lifespan.{self._asked}.complete", f"lifespan.{self._asked}.failed"):
            raise RuntimeError(f"ASGI: unexpected message {kind!r} after 'lifespan.{self._asked}'")
        if not isinstance(message.get("message", ""), str):
            raise TypeError(f"ASGI: 'message' of {kind!r} must be a str, not {type(message['message']).__name__}")
        assert self._answer is not None
        if self._answer.done():
            raise RuntimeError(f"ASGI: 'lifespan.{self._asked}' was answered twice")
        self._answer.set_result(message)
