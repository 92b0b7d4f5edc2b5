"""ASGI apps whose lifespans go well, badly and in between. Each answers requests with its state."""

import asyncio
import json


async def answer(scope, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(scope["state"]).encode()})


async def mutating(scope, receive, send):
    """Its state is copied for each request, shallow: what is inside is shared."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"].update(number=1, shared=[])
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shared:", scope["state"], flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    else:
        scope["state"]["number"] += 1
        scope["state"]["shared"].append(scope["state"]["number"])
        await answer(scope, send)


async def raises_at_startup(scope, receive, send):
    """Knows the protocol, and fails at it."""
    if scope["type"] == "lifespan":
        await receive()
        raise OSError("no cache here")
    await answer(scope, send)


async def ends_early(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("lost the queue")
    await answer(scope, send)


async def fails_to_shut_down(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "the queue is not empty"})
    else:
        await answer(scope, send)


async def raises_at_shutdown(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ValueError("no such queue")
    await answer(scope, send)


async def never_shuts_down(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(3600)
    await answer(scope, send)


async def returns_at_once(scope, receive, send):
    if scope["type"] == "http":
        await answer(scope, send)


async def answers_wrongly(scope, receive, send):
    """What it must not send is refused, and it may go on."""
    if scope["type"] == "lifespan":
        await receive()
        for message in (
            {"type": "lifespan.shutdown.complete"},
            {"type": "lifespan.startup.failed", "message": b"no"},
            "lifespan.startup.complete",
        ):
            try:
                await send(message)
            except Exception as error:
                print(f"{type(error).__name__}: {error}", flush=True)
        await send({"type": "lifespan.startup.complete"})
        try:
            await send({"type": "lifespan.startup.complete"})
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await answer(scope, send)


async def fails_without_a_word(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed"})


async def asks_again(scope, receive, send):
    """Its startup is interrupted: it is not asked to shut down what never started."""
    try:
        print("starting", flush=True)
        await receive()
        print("then:", (await receive())["type"], flush=True)
    finally:
        print("let go", flush=True)
