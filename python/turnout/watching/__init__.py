"""How long requests wait for what they reach with other clients: by address, and by the place in the project's code.

Each module here knows one library: where one call is one wait, and whom it is for. No library is imported: its wrappers
are put in when the project imports it, or at once if it has. One call counts once: what is called inside of a call that
is timed is a part of it. Turnout's own client and Django's databases tell of their calls themselves.
"""

from __future__ import annotations

import sys

from turnout.watching import aiohttp, asyncpg, httpcore, httpx, psycopg, redis, requests, urllib3
from turnout.watching.imports import Watched, install

#: What to do once a module is imported.
MODULES: dict[str, Watched] = {
    "aiohttp": aiohttp.watch,
    "asyncpg": asyncpg.watch,
    "httpx": httpx.watch,
    "psycopg": psycopg.watch,
    "psycopg_pool": psycopg.watch_pool,
    "redis.asyncio.client": redis.watch_async,
    "redis.client": redis.watch,
    "requests.sessions": requests.watch,
    "urllib3.connectionpool": urllib3.watch,
    "urllib3.poolmanager": urllib3.watch_manager,
}

#: The same of modules that call nobody themselves: the pools of others.
POOLS: dict[str, Watched] = {
    "httpcore": httpcore.watch_pools,
    "redis.asyncio.connection": redis.watch_pool_async,
    "redis.connection": redis.watch_pool,
}


def watched() -> list[str]:
    """The libraries whose calls are watched by now."""
    return sorted({name.partition(".")[0] for name in MODULES if name in sys.modules})


def watch() -> None:
    """From now on, in this process. Calling it again does nothing."""
    install({**MODULES, **POOLS})
