"""The smallest application of each kind: what is left is the server."""

from __future__ import annotations

import json
import resource
from collections.abc import Awaitable, Callable, Iterable
from os import getpid
from typing import Any

BODY = b"Hello, world!"


def _facts() -> bytes:
    used = resource.getrusage(resource.RUSAGE_SELF)
    facts = {"pid": getpid(), "cpu": used.ru_utime + used.ru_stime, "switches": used.ru_nvcsw + used.ru_nivcsw}
    return json.dumps(facts).encode()


async def asgi(scope: dict[str, Any], receive: Callable, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """A bare ASGI application."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = _facts() if scope["path"] == "/facts/" else BODY
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
    """A bare WSGI application."""
    body = _facts() if environ["PATH_INFO"] == "/facts/" else BODY
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
