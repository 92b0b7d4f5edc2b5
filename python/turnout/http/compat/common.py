"""What both adapters do: leave to the front library what it does itself, and translate errors into its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from turnout.http.errors import HTTPError
from turnout.http.policies import Timeout

# Made anew for each connection; the front library has worked them out for connections of its own.
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
# Neither httpx nor requests has a limit; the body goes to the caller as it comes.
NO_LIMIT = 2**62

#: What is different from a client's defaults: the front library follows redirects and decodes bodies itself, and sees
#: every answer as it was sent.
OPTIONS: Mapping[str, Any] = {"follow_redirects": False, "decompress": False, "max_body": NO_LIMIT}


def fields(pairs: Iterable[tuple[str, str]], host: str) -> list[tuple[str, str]]:
    """The headers to be sent. `host` as in the URL: a `Host` that says the same says nothing."""
    return [
        (name, value)
        for name, value in pairs
        if name.lower() not in _OF_THE_CONNECTION and not (name.lower() == "host" and value.lower() == host.lower())
    ]


def phases(connect: float | None, read: float | None, write: float | None, pool: float | None) -> Timeout:
    """Time-outs as httpx and requests mean them: by phase, and none for the whole."""
    return Timeout(None, connect=connect, read=read, first_byte=read, write=write, pool=pool)


def translated(error: HTTPError, table: Mapping[type[HTTPError], Any]) -> Any:
    """What the front library calls it: of the nearest ancestor that the table knows."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
