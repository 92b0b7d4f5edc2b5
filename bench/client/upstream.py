"""The two ends of every row: the simulated upstream, and the load on a server. Both are turnout-lab's."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measure import HERE, LOAD_CORE, SERVER_CORE
from bench.processes import Child, running, wait_until


@dataclass(frozen=True)
class Instruments:
    """What measures, and how long."""

    lab: Path
    folder: Path
    pinned: bool
    seconds: float
    rivals_only: bool = False

    @property
    def load_core(self) -> int | None:
        return LOAD_CORE if self.pinned else None

    @property
    def server_core(self) -> int | None:
        return SERVER_CORE if self.pinned else None

    @property
    def authority(self) -> Path:
        """Where an upstream that speaks TLS leaves the certificate to believe."""
        return self.folder / "authority.pem"

    @contextlib.contextmanager
    def upstream(self, *arguments: str, tls: bool = False) -> Iterator[str]:
        """A fresh one, by its URL."""
        if not self.lab.exists():
            raise SystemExit(f"{self.lab} is missing: cargo build --release -p turnout-lab")
        encrypted = ("--tls", str(self.authority)) if tls else ()
        argv = [str(self.lab.resolve()), "upstream", "--bind", "127.0.0.1:0", *encrypted, *arguments]
        child = Child(argv, core=self.load_core, env=os.environ, cwd=HERE, log=self.folder / "upstream.log")
        with running(child):
            wait_until(lambda: child.log.read_text().startswith("http"), seconds=10, child=child, what="the upstream")
            yield child.log.read_text().splitlines()[0]

    def load(self, url: str, connections: int, seconds: float, *more: str) -> subprocess.Popen[str]:
        """A running load; `report` waits for its end."""
        pin = ["taskset", "--cpu-list", str(LOAD_CORE)] if self.pinned else []
        argv = [
            str(self.lab),
            "load",
            url,
            "--connections",
            str(connections),
            "--seconds",
            str(seconds),
            "--json",
            *more,
        ]
        return subprocess.Popen([*pin, *argv], stdout=subprocess.PIPE, text=True, start_new_session=True)


def report(load: subprocess.Popen[str], patience: float) -> dict:
    """What a load found."""
    try:
        said, _ = load.communicate(timeout=patience)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    return json.loads(said)


def calls(upstream: str) -> int:
    """How many an upstream in the clear has had; those of the last look are forgotten."""
    with urllib.request.urlopen(f"{upstream}/stats", timeout=10) as answer:
        total = json.load(answer)["total"]
    urllib.request.urlopen(urllib.request.Request(f"{upstream}/stats/reset", method="POST"), timeout=10).close()
    return total
