"""A worker's life: load the project, serve, drain, end. Started by the supervisor, never by hand."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn

from turnout import banner, project, watching
from turnout._turnout import WorkerLink
from turnout.django import threadlocals
from turnout.lifespan import LifespanError
from turnout.lifetime import StartError
from turnout.loop import new_event_loop
from turnout.project import Project, ProjectError
from turnout.service import Service

#: After the drain: for lifespan, tasks and threads to end. The supervisor waits two seconds longer before it kills.
END_SECONDS = 2.0

logger = logging.getLogger("turnout")


def main() -> int:
    """Live; the value is the exit status of the process."""
    # Ctrl-C at a terminal, and its end, reach the whole process group: the supervisor decides what they mean, and says
    # SIGTERM. Handlers that do nothing rather than SIG_IGN, which every process the project starts would inherit.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_it_to_the_supervisor)
    try:
        link = WorkerLink.from_env()
    except RuntimeError as error:
        print(f"turnout: {error}", file=sys.stderr)
        return project.USAGE_FAULT
    # For this process only: not for what the project starts.
    os.environ.pop(WorkerLink.VARIABLE, None)
    settings = json.loads(link.settings)
    link.watch(settings["drain"] + END_SECONDS + 2)
    if settings["thread_sharing"] == "shared":
        threadlocals.install()
    if settings["watch_clients"] and settings["accounting"] != "off":
        watching.watch()
    try:
        worker = Worker(link, settings, project.load(settings["app"], settings["interface"]))
        worker.run()
    except ProjectError as error:
        link.failed(str(error), error.status)
        _end_within(END_SECONDS, error.status)
        status = error.status
    else:
        status = 0
    link.close()
    return status


class Worker:
    """One process that serves one project."""

    def __init__(self, link: WorkerLink, settings: dict[str, Any], loaded: Project) -> None:
        self.link = link
        self.settings = settings
        self.project = loaded
        _set_logging_up(settings["log_level"])
        if settings["switch_interval"] is not None:
            sys.setswitchinterval(settings["switch_interval"])
        self.loop = new_event_loop()
        asyncio.set_event_loop(self.loop)
        link.start_heart(self.loop.reactor)
        self.stopping = asyncio.Event()
        self.service = Service(self.loop, settings, loaded, link)

    def run(self) -> None:
        """Serve until told to stop, then put everything away."""
        self.loop.add_signal_handler(signal.SIGTERM, self._asked_to_stop)
        try:
            started = self.loop.run_until_complete(self._started())
            # Between two runs of the loop: in the Context that all requests start from.
            self.service.hand_down()
            self.loop.run_until_complete(self._live(started))
        finally:
            _end_within(END_SECONDS, project.PROJECT_FAULT if sys.exc_info()[0] else 0)
            self._put_away()

    def describe(self) -> str:
        """The banner."""
        handler = self.service.handler
        described = handler.describe() if handler is not None else None
        return banner.render(self.project, self.settings, described, colour=banner.colours())

    async def _live(self, started: bool) -> None:
        limit = END_SECONDS / 2
        if started:
            # What is loaded by now stays to the end: the garbage collector need not go through it again and again.
            gc.collect()
            gc.freeze()
            self.service.server.start()
            self.link.ready(self.describe())
            await self.stopping.wait()
            deadline = self.loop.time() + self.settings["drain"]
            await self.service.drain()
            limit = max(limit, deadline - self.loop.time())
        await self.service.shut_down(limit, lifespan=END_SECONDS / 2)

    async def _started(self) -> bool:
        """Whether to serve: not if the end came while the project was still getting ready."""
        startup, stopping = asyncio.ensure_future(self.service.start_up()), asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait([startup, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not startup.done():
            return False
        try:
            startup.result()
        except StartError as error:
            cause = error.__cause__
            if cause is not None:
                raise project.project_raised(cause, f"the startup hook {error.hook.name}") from cause
            raise ProjectError(_last_line(str(error))) from None
        except LifespanError as error:
            raise ProjectError(f"{self.project.label} did not start: {_last_line(str(error))}") from None
        return not self.stopping.is_set()

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            _end_now(128 + signal.SIGTERM)
        self.stopping.set()

    def _put_away(self) -> None:
        """End everything that has threads or tasks."""
        if not self.service.close(END_SECONDS / 2):
            # A thread that still runs the project's code would wake up in an interpreter that is gone.
            threads = self.service.pool.threads
            logger.warning("threads that did not end in time, the process ends without them: %d", threads)
            self.link.close()
            _end_now(0)
        self.loop.close()


def _last_line(message: str) -> str:
    """A message may be a whole traceback: its last line says what happened, and the others are shown here."""
    before, _, last = message.strip().rpartition("\n")
    if before:
        print(before, file=sys.stderr, flush=True)
    return last


def _leave_it_to_the_supervisor(number: int, frame: Any) -> None:
    """A signal that the supervisor got too."""


def _set_logging_up(level: str) -> None:
    """turnout's own loggers write to standard error unless the project's LOGGING has another opinion."""
    if logger.handlers:
        return
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(level.upper())


def _end_within(seconds: float, status: int) -> None:
    """Python joins every thread that is no daemon at its end: one that does not end must not keep the process."""

    def end() -> None:
        time.sleep(seconds)
        _end_now(status)

    threading.Thread(target=end, name="turnout-end", daemon=True).start()


def _end_now(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
