"""Calls to the simulated upstream, as a project makes them: one session for the process, connections kept.

Both clients are told to keep as many connections as there may be calls: neither pays for what the other does not.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BASE = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9100")
# Under WSGI every async view gets a loop of its own, which a session must not outlive.
LOOP_STAYS = os.environ.get("BENCH_INTERFACE") != "wsgi"

blocking = requests.Session()
blocking.mount("http://", requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=1024))
# The environment's proxies and .netrc are the machine's business, not the measurement's.
blocking.trust_env = False

_sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = weakref.WeakKeyDictionary()


def url(milliseconds: str) -> str:
    """Where an answer comes after so many milliseconds."""
    return f"{BASE}/?ms={milliseconds}"


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The running loop's session."""
    if not LOOP_STAYS:
        async with aiohttp.ClientSession() as passing:
            yield passing
        return
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        # limit=0: no cap, as there is none for threads.
        _sessions[loop] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    yield _sessions[loop]
