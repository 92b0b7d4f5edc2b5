"""The guard sees what it is there for, and nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from loop_guard import BlocksTheLoop, guarded

DEEDS = {
    "file": lambda: Path(__file__ + ".txt").read_bytes(),
    "folder": lambda: os.listdir("/"),
    "temporary file": tempfile.mkstemp,
    "socket": lambda: socket.create_connection(("127.0.0.1", 1), timeout=0.1),
    "child": lambda: subprocess.run(["true"]),
}
if sys.version_info >= (3, 13):
    DEEDS["sleep"] = lambda: time.sleep(0)


@pytest.mark.parametrize("name", list(DEEDS))
def test_what_blocks_the_loop_is_seen(name):
    async def on_the_loop():
        with pytest.raises(BlocksTheLoop):
            DEEDS[name]()

    with pytest.raises(AssertionError, match="the loop was blocked by"), guarded():
        asyncio.run(on_the_loop())


def test_threads_imports_and_time_outside_may_do_it():
    def elsewhere():
        os.listdir("/")
        Path(__file__).read_bytes()

    async def main():
        await asyncio.to_thread(elsewhere)

    with guarded():
        asyncio.run(main())
        elsewhere()
