"""ASGI apps with and without a lifespan, and one that blocks its loop."""

import os
import time


async def answer(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(text).encode()})


async def app(scope, receive, send):
    """Keeps something in its lifespan's state and says when it is put away."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["found"] = "in state"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("put away", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/block":
        print("blocking", flush=True)
        time.sleep(float(scope["query_string"]))
        await answer(send, os.getpid())
    elif scope["path"] == "/pid":
        await answer(send, os.getpid())
    else:
        await answer(send, scope["state"]["found"])


async def plain(scope, receive, send):
    """Knows nothing of lifespans, and says so as most do."""
    assert scope["type"] == "http"
    await answer(send, "plain")


async def refusing(scope, receive, send):
    """Cannot start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback ...\nRuntimeError: no database"})


async def slow_to_start(scope, receive, send):
    """Never says that it is ready."""
    print("starting", flush=True)
    await receive()
    await receive()


def factory(scope, receive, send):
    """Not a coroutine function, but called like one."""
    return plain(scope, receive, send)
