"""Where a request's time went: what `request.turnout.times` gives.

A request is Processing, Waiting for CPU or Waiting for I/O at every moment of its life; docs/concepts/states.md says
what is which.
"""

from __future__ import annotations

from typing import NamedTuple


class Times(NamedTuple):
    """Seconds, which sum to the time since the request's first byte. Those of the present moment may still grow."""

    processing: float
    """On a processor."""
    run_queue: float
    """Ready, and without a processor. Part of Waiting for CPU."""
    gil: float
    """Ready, while another thread had the interpreter's lock. Part of Waiting for CPU."""
    loop_queue: float
    """Ready, while the event loop ran somebody else. Part of Waiting for CPU."""
    no_thread_cpu: float
    """In line for a thread, while those that were busy computed. Part of Waiting for CPU."""
    no_thread_io: float
    """In line for a thread, while those that were busy waited. Part of Waiting for I/O."""
    client: float
    """The rest of the request itself had not come. Part of Waiting for I/O."""
    io: float
    """Waiting for anything else: a database, an upstream, a lock, a sleep. Part of Waiting for I/O."""

    @property
    def waiting_for_cpu(self) -> float:
        """The second state."""
        return self.run_queue + self.gil + self.loop_queue + self.no_thread_cpu

    @property
    def waiting_for_io(self) -> float:
        """The third state."""
        return self.no_thread_io + self.client + self.io

    @property
    def no_thread(self) -> float:
        """In line for a thread, whichever state that counts for."""
        return self.no_thread_cpu + self.no_thread_io

    @property
    def wall(self) -> float:
        """All of it."""
        return sum(self)
