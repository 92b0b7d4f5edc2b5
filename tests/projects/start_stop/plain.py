"""Applications that are not Django's, with hooks."""

import asyncio

from turnout import on_shutdown, on_startup

event = None


@on_startup
async def make():
    global event
    event = asyncio.Event()
    event.set()
    print("made", flush=True)


@on_shutdown
async def unmake():
    print("unmade", flush=True)


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await event.wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"wsgi" if event.is_set() else b"none"]
