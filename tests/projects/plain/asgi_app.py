"""An ASGI app that shows what it was given."""

import asyncio
import json

events = []


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    await globals()["do_" + scope["path"].strip("/").split("/")[0].replace("-", "_")](scope, receive, send)


async def lifespan(scope, receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            scope["state"]["made"] = "at startup"
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def reply(send, value):
    body = json.dumps(value).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def do_scope(scope, receive, send):
    def plain(value):
        if isinstance(value, bytes):
            return "b:" + value.decode("latin-1")
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    await reply(send, plain(dict(scope)))


async def do_body(scope, receive, send):
    pieces, total = 0, 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            events.append("disconnected while reading")
            return
        pieces, total = pieces + 1, total + len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await reply(send, {"pieces": pieces, "total": total})


async def do_echo(scope, receive, send):
    """Answers while it still reads."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def do_flood(scope, receive, send):
    """Far more than any buffer: only back-pressure bounds it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    written = 0
    try:
        for _ in range(4096):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            written += 65536
            events.append(written)
    except OSError as error:
        events.append(f"send raised {type(error).__name__}")
        return
    await send({"type": "http.response.body", "body": b""})


async def do_wait_for_disconnect(scope, receive, send):
    assert (await receive())["type"] == "http.request"
    events.append("waiting")
    message = await asyncio.create_task(receive())  # an awaitable is not enough for create_task: it must be a coroutine
    events.append(message["type"])


async def do_events(scope, receive, send):
    await reply(send, events)
    events.clear()


async def do_last_written(scope, receive, send):
    await reply(send, events[-1] if events else None)
