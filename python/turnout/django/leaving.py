"""The client leaves while its request is on a thread of the sync pool.

A view that blocks cannot be interrupted. One that waits for the loop through `async_to_sync` can: what it waits for is
cancelled, as asgiref does for a view that it put on a thread itself. And one that waits for an upstream can: its calls
end with `turnout.http.RequestCancelled`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout._turnout import SyncPool


class Waits(list[Any]):
    """asgiref's "task context" of one request on a thread: the tasks that it waits for now, outermost first.

    As with a task that is cancelled, there is one CancelledError, now or where the request waits next. Cleaning up,
    after `settle`, is not disturbed.
    """

    __slots__ = ("_owed", "_settled", "incoming", "left", "pool")

    def __init__(self, pool: SyncPool | None = None, incoming: Any = None) -> None:
        #: Whose thread it is: what it waits for may need one too, so while it waits another one may work.
        self.pool = pool
        #: What outbound calls belong to that are made for the request (turnout/incoming.py).
        self.incoming = incoming
        #: The client has left.
        self.left = False
        self._owed = False
        self._settled = False

    def leave(self) -> None:
        """The client left; called on the loop."""
        self.left = True
        if self._settled:
            return
        if self:
            _cancel(self[0])
        else:
            self._owed = True

    def append(self, task: asyncio.Task[Any]) -> None:
        """`async_to_sync` begins to wait; called on the loop where it waits."""
        super().append(task)
        if self.pool is not None and len(self) == 1:
            self.pool.thread_waits()
        if self._owed and not self._settled:
            self._owed = False
            _cancel(task)

    def remove(self, task: asyncio.Task[Any]) -> None:
        """It waits no longer; called there, too."""
        super().remove(task)
        if self.pool is not None and not self:
            self.pool.thread_goes_on()

    def settle(self) -> None:
        """What the request waits for from now on is its own cleaning up; called on its thread."""
        self._settled = True


class ForNobody(logging.Filter):
    """No line of Django's about a view whose calls ended because its client has left: nothing is wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is about anything else."""
        errors = sys.modules.get("turnout.http.errors")
        error = record.exc_info[1] if record.exc_info else None
        return errors is None or not isinstance(error, errors.RequestCancelled)


for_nobody = ForNobody()


def _cancel(task: asyncio.Task[Any]) -> None:
    # It may wait on a loop of its own (`force_new_loop=True`), which only that one's thread may touch.
    loop = task.get_loop()
    if loop is asyncio.get_running_loop():
        task.cancel()
    else:
        loop.call_soon_threadsafe(task.cancel)
