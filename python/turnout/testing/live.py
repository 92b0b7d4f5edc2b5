"""An application behind turnout's own server in the process of its tests: no supervisor, no signals, a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from turnout import project
from turnout._turnout import default_settings
from turnout.loop import new_event_loop
from turnout.project import Project
from turnout.service import Service

#: For the application's shutdown, and for threads of the sync pool to end.
END_SECONDS = 5.0


class LiveServer:
    """Serves ``application`` (ASGI, WSGI or one of Django's handlers) from construction on, for whoever connects::

        with LiveServer(application) as server:
            urlopen(server.url)

    It listens once it is made, and answers once it runs: ``with`` starts it on a thread of its own, and `run` serves on
    the caller's. Options are those of ``turnout serve`` by their names in Python (``threads=4``, ``max_body=1024``);
    durations are seconds. What has to do with processes (``workers``, the switch interval, the log level) is left to
    the process.
    """

    def __init__(self, application: Any, *, interface: str = "auto", bind: str = "127.0.0.1:0", **options: Any) -> None:
        settings = {**json.loads(default_settings()), "workers": 1, "drain": END_SECONDS, "binds": [bind]}
        unknown = sorted(options.keys() - settings.keys())
        if unknown:
            raise TypeError(f"not an option of turnout serve: {', '.join(unknown)}")
        kind, why = project.classify(application, "the application", interface)
        self._loop = new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        try:
            loaded = Project(kind, application, "the application", why)
            self._service = Service(self._loop, {**settings, **options}, loaded)
        except BaseException:
            self._loop.close()
            raise
        #: ``http://127.0.0.1:PORT``, or ``unix:PATH``.
        self.url: str = self._service.server.addresses[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def run(self) -> None:
        """Serve on this thread until `stop`; raises when the application does not start."""
        try:
            self._loop.run_until_complete(self._service.start_up())
            self._service.hand_down()
            self._loop.run_until_complete(self._live())
        finally:
            self._put_away()
            self._ready.set()

    def start(self) -> None:
        """Serve on a thread of its own; returns when requests are answered."""
        self._thread = threading.Thread(target=self._run_beside, name="turnout-live", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Let requests in flight finish, then end; from any thread, and more than once."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> LiveServer:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    async def _live(self) -> None:
        self._service.server.start()
        self._ready.set()
        await self._stopping.wait()
        await self._service.drain()
        await self._service.shut_down(END_SECONDS, lifespan=END_SECONDS)

    def _put_away(self) -> None:
        try:
            self._service.server.abort()
            if not self._service.close(END_SECONDS):
                raise RuntimeError(f"threads that still run the application: {self._service.pool.threads}")
        finally:
            self._loop.close()

    def _run_beside(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._error = error
            self._ready.set()
