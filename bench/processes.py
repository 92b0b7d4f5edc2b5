"""Child processes of a measurement: started in a group of their own, read through /proc, stopped to the last one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Child:
    """A process and all that it starts, as one thing."""

    def __init__(self, argv: Sequence[str], *, core: int | None, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        command = [*(["taskset", "--cpu-list", str(core)] if core is not None else []), *argv]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def tail(self, lines: int = 12) -> str:
        """The last it said, for a message about its end."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 8.0) -> None:
        """Ends the group: politely, then not."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        # The leader is gone, or will not go: nobody of the group stays.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # Orphans are reaped by somebody else, a moment later; what is gone must not take part in the next measurement.
        end = time.monotonic() + 2
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < end:
                os.killpg(self.process.pid, 0)
                time.sleep(0.005)

    def tree(self) -> list[int]:
        """The process and its descendants, as far as they live."""
        parents: dict[int, list[int]] = {}
        for entry in PROC.iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
        found = [self.process.pid]
        for pid in found:
            found.extend(parents.get(pid, []))
        return found


@contextlib.contextmanager
def running(child: Child) -> Iterator[Child]:
    """The child, for the length of a block."""
    try:
        yield child
    finally:
        child.stop()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (the name before it may hold anything)."""
    return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes, ended threads included."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


@dataclass
class Memory:
    """Resident and proportional set, in bytes, and the threads they serve."""

    rss: int = 0
    pss: int = 0
    threads: int = 0


def memory(pids: Sequence[int], *, exact: bool = False) -> Memory:
    """What a process tree holds now; `exact` reads the proportional set too, which costs a walk of the pages."""
    total = Memory()
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            total.threads = max(total.threads, int(fields[17]))
            total.rss += int(fields[21]) * PAGE
            if exact:
                for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total.pss += int(line.split()[1]) * 1024
    return total


def core_times(core: int) -> tuple[float, float]:
    """Busy and total seconds of a core since the boot."""
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            times = [int(field) for field in fields[:8]]
            idle = times[3] + times[4]
            return (sum(times) - idle) / TICK, sum(times) / TICK
    raise LookupError(f"core {core} is not in /proc/stat")


class Sampler(threading.Thread):
    """Looks at a child four times a second: the most memory and threads it was seen with."""

    EVERY = 0.25

    def __init__(self, child: Child) -> None:
        super().__init__(daemon=True)
        self.child = child
        self.most = Memory()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.EVERY):
            now = memory(self.child.tree())
            self.most.rss = max(self.most.rss, now.rss)
            self.most.threads = max(self.most.threads, now.threads)

    def stop(self) -> Memory:
        """The maxima; the proportional set is read once, here."""
        self._over.set()
        self.join()
        self.most.pss = memory(self.child.tree(), exact=True).pss
        return self.most


def wait_until(ready: Callable[[], bool], *, seconds: float, child: Child, what: str) -> None:
    """Asks `ready` until it says yes; a child that ends or takes too long is an error with its last words."""
    end = time.monotonic() + seconds
    while not ready():
        if not child.alive or time.monotonic() > end:
            state = "ended" if not child.alive else f"was not ready after {seconds:.0f} s"
            raise RuntimeError(f"{what} {state}:\n{child.tail()}")
        time.sleep(0.02)
