"""A running `turnout demo --stay`, started once: its tests look at what it printed and at the page it serves."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Ten searches alone and five crowds take about 15 s where nothing else runs.
DEMO_SECONDS = 120.0
# The line that says where the page is.
PAGE = r"(http://\S+)/ \(Ctrl-C ends it\)\n"
DEMO = [sys.executable, "-m", "turnout", "demo"]


@dataclass
class Demo:
    """A demo that has printed its table and serves its page."""

    process: subprocess.Popen[bytes]
    printed: str
    url: str


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """`turnout demo --stay` with a crowd of four, up to the line that says where the page is."""
    process = start("--stay", "--bind", "127.0.0.1:0", "--at-once", "4")
    try:
        printed = read_until(process, PAGE)
        yield Demo(process, printed, re.findall(PAGE, printed)[-1])
    finally:
        end(process)


def start(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOTELS_")}
    pipe = subprocess.PIPE
    command = [*DEMO, *arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would; by force if that does not do it."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def read_until(process: subprocess.Popen[bytes], pattern: str) -> str:
    """Everything printed until `pattern` is there."""
    assert process.stdout is not None
    printed, deadline = "", time.monotonic() + DEMO_SECONDS
    while not re.search(pattern, printed):
        ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
        more = os.read(process.stdout.fileno(), 65536) if ready else b""
        assert more, f"ended or too slow (status {process.poll()}):\n{printed}"
        printed += more.decode()
    return printed


def descendants(root: int) -> list[int]:
    """All processes below `root`, whatever their group."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
