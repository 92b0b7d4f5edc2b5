"""A loaded project on a loop: interface, pools, lifespan and server put together. Knows no process and no signal.

A worker is one of these in a process of its own; `turnout.testing.LiveServer` is one on a thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from turnout import project, startstop
from turnout._turnout import Server, SyncPool
from turnout.lifespan import Lifespan
from turnout.lifetime import Lifetime
from turnout.project import Project

if TYPE_CHECKING:
    from turnout._turnout import WorkerLink
    from turnout.loop import TurnoutLoop

#: A task that was cancelled gets so long to notice.
CANCEL_SECONDS = 0.5

logger = logging.getLogger("turnout")


class Service:
    """One project, ready to be served by one loop."""

    def __init__(
        self, loop: TurnoutLoop, settings: dict[str, Any], loaded: Project, link: WorkerLink | None = None
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.project = loaded
        self.lifespan = Lifespan(loaded.application) if loaded.kind == "asgi" else None
        self.pool = SyncPool(settings["threads"], queue_timeout=settings["queue_timeout"])
        self.handler = self._django_handler() if loaded.kind == "django" else None
        self.inner = self._inner_handlers()
        self.lifetime = Lifetime(self.handler.beside_requests) if self.handler is not None else Lifetime()
        self.server = Server(
            loop,
            link,
            json.dumps(settings),
            *self._interface(),
            state=self.lifespan.state if self.lifespan else None,
            pool=self.pool,
        )

    async def start_up(self) -> None:
        """The project's own start; StartError or LifespanError when it fails."""
        await self.lifetime.start()
        if self.lifespan is not None:
            await self.lifespan.startup()

    def hand_down(self) -> None:
        """What startup hooks have set becomes what requests start from. Outside of any task, on the loop's thread."""
        for variable, value in self.lifetime.variables.items():
            variable.set(value)
        if self.handler is not None:
            self.handler.inherited = self.lifetime.variables

    async def drain(self) -> None:
        """Take no more connections, let requests in flight finish within the limit, cut off the rest."""
        limit = self.settings["drain"]
        try:
            await asyncio.wait_for(asyncio.ensure_future(self.server.drain()), limit)
        except asyncio.TimeoutError:
            cut = self.server.in_flight
            if cut:
                logger.warning("requests in flight that were cut off after %g s (--drain): %d", limit, cut)
            self.server.abort()
            # The requests among these were cancelled with it and clean up: no second cancellation must cut that short.
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            if tasks:
                await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

    async def shut_down(self, limit: float, *, lifespan: float) -> None:
        """The project's own end, in the reverse order of its start: all within `limit` seconds."""
        deadline = self.loop.time() + limit
        if self.lifespan is not None:
            # Hooks that come after it need some of the time too.
            lifespan = min(lifespan, limit / 2) if startstop.shutdown else lifespan
            try:
                await asyncio.wait_for(self.lifespan.shutdown(), lifespan)
            except asyncio.TimeoutError:
                logger.warning("the application's shutdown took longer than %g s and was cut off", lifespan)
        await self.lifetime.stop(deadline - self.loop.time())

    def close(self, limit: float) -> bool:
        """What asyncio.run does at its end, a limit to each step; False when threads still run. The loop stays."""
        self.server.end_streams()
        # What pool threads gave to the loop before that becomes tasks now.
        self.loop.run_until_complete(asyncio.sleep(0))
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_SECONDS))
        with suppress(asyncio.TimeoutError):
            self.loop.run_until_complete(asyncio.wait_for(self.loop.shutdown_asyncgens(), CANCEL_SECONDS))
        if self.handler is not None:
            self.handler.close()
        if self.inner is not None:
            self.inner.close()
        return self.pool.close(limit)

    def _interface(self) -> tuple[Any, Any]:
        """How Rust calls the application. A handler that steps aside is called as what it is for any server."""
        if self.handler is None:
            application = self.project.application
            if self.project.kind == "wsgi" and self._has_django():
                from turnout.django.inner import wsgi_face

                application = wsgi_face(application, self.loop, self.pool)
            return self.project.kind, application
        if self.handler.native:
            return "django", self.handler
        return self.handler.request_kind, getattr(self.handler, f"{self.handler.request_kind}_app")

    def _django_handler(self) -> Any:
        from turnout.django.handler import DjangoHandler

        try:
            handler = DjangoHandler(
                self.project.application,
                loop=self.loop,
                compat=self.settings["compat"],
                request_why=self.project.why,
                **self._thread_options(),
            )
        except BaseException as error:
            raise project.project_raised(error, "loading the project") from error
        self.pool.on_thread_end(handler.end_thread)
        return handler

    def _thread_options(self) -> dict[str, Any]:
        return {
            "sync_pool": self.pool,
            "hop_threads": self.settings["hop_threads"],
            "exclusive_threads": self.settings["exclusive_threads"],
            "connection_sharing": self.settings["connection_sharing"],
            "thread_sharing": self.settings["thread_sharing"],
            "server_timing": self.settings["server_timing"],
            "accounting": self.settings["accounting"],
            "thread_wait": self.settings["queue_timeout"],
        }

    def _has_django(self) -> bool:
        """Whether the application, which is none of Django's handlers, may have one inside."""
        if self.settings["compat"] or "django.core.handlers.base" not in sys.modules:
            return False
        return bool(sys.modules["django.conf"].settings.configured)

    def _inner_handlers(self) -> Any:
        """Handlers of Django's that requests reach through an application around them."""
        if self.handler is None:
            asgi = self.project.kind == "asgi"
        else:
            # ASGIStaticFilesHandler is one of Django's handlers, and has another one inside.
            asgi = bool(self.handler.overridden) and self.handler.request_kind == "asgi"
        if not self._has_django():
            return None
        from turnout.django.inner import InnerHandlers
        from turnout.django.lifecycle import end_thread

        if self.handler is None:
            self.pool.on_thread_end(end_thread)
        if not asgi:
            return None
        try:
            return InnerHandlers(self.loop, **self._thread_options())
        except BaseException as error:
            raise project.project_raised(error, "loading the project") from error
