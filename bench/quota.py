"""A limit on the CPU of processes, as a container has one: a cgroup of their own, of version 2 or 1.

Needs the right to make one, which is root's on most machines.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PERIOD_US = 100_000
MOUNTS = Path("/proc/self/mounts")


class Quota:
    """A cgroup that gets so many per cent of one core."""

    def __init__(self, folder: Path, percent: int, version: int) -> None:
        self._folder = folder
        self.version = version
        runtime = PERIOD_US * percent // 100
        folder.mkdir()
        try:
            if version == 2:
                (folder / "cpu.max").write_text(f"{runtime} {PERIOD_US}")
            else:
                (folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (folder / "cpu.cfs_quota_us").write_text(str(runtime))
        except OSError:
            folder.rmdir()
            raise

    def take(self, pids: Sequence[int]) -> None:
        """From now on these processes, and what they start, have that much."""
        for pid in pids:
            (self._folder / "cgroup.procs").write_text(str(pid))

    def periods(self) -> tuple[int, int]:
        """How many periods there were in which it ran, and in how many of them it was stopped."""
        told = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        return int(told["nr_periods"]), int(told["nr_throttled"])

    def end(self) -> None:
        """Its processes have ended; the kernel may notice a moment later."""
        until = time.monotonic() + 5
        while True:
            try:
                self._folder.rmdir()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return


@contextmanager
def quota(percent: int) -> Iterator[Quota]:
    """One that is removed at the end, after its processes have ended. SystemExit says why there can be none."""
    name = f"turnout-bench-{os.getpid()}"
    try:
        folder, version = _home()
        made = Quota(folder / name, percent, version)
    except OSError as error:
        raise SystemExit(
            f"no cgroup with a quota can be made here: {error}. That takes root, a cgroup file system that may be "
            "written to, and the controller cpu in it"
        ) from error
    try:
        yield made
    finally:
        made.end()


def _home() -> tuple[Path, int]:
    """The folder in which a cgroup with the controller cpu can be made, and its version."""
    for line in MOUNTS.read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(folder), 1
        if kind == "cgroup2" and "cpu" in (Path(folder) / "cgroup.controllers").read_text().split():
            # Nothing to do where it is there already; refused inside a container that may not.
            with contextlib.suppress(OSError):
                (Path(folder) / "cgroup.subtree_control").write_text("+cpu")
            return Path(folder), 2
    raise OSError("no mounted cgroup file system has the controller cpu")
