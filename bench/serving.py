"""A turnout of its own for one measurement, with a project of site/."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import tells
from bench.measure import free_port
from bench.processes import Child, running, wait_until

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
#: What the project `mysite` wants to know where nothing but turnout is measured.
MYSITE = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "BENCH_UPSTREAM": "", "BENCH_INTERFACE": "asgi"}


@dataclass(frozen=True)
class Serving:
    """A server that is up."""

    port: int
    child: Child


@contextmanager
def turnout(
    application: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    core: int | None = None,
    ready: tuple[str, ...] = ("pid",),
) -> Iterator[Serving]:
    """One, until the end of the block. `ready`: a key, and the path of the document that has it once it is up."""
    port = free_port()
    command = [sys.executable, "-m", "turnout", "serve", application, "--bind", f"127.0.0.1:{port}", *options]
    path = os.pathsep.join(map(str, (SITE, HERE.parent, HERE.parent / "python")))
    with tempfile.TemporaryDirectory(prefix="turnout-bench-") as folder:
        env = {**os.environ, "PYTHONPATH": path, **(environment or {})}
        child = Child(command, core=core, env=env, cwd=SITE, log=Path(folder, "log"))
        with running(child):
            what = " ".join(["turnout", application, *options])
            wait_until(lambda: tells(port, *ready), seconds=30, child=child, what=what)
            yield Serving(port, child)
