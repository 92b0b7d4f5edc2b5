"""An ASGI app that uses what few apps use, and misuses it when told to."""

import asyncio
import json

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}

# name -> messages, the last of which is wrong
WRONG = {
    "no-dict": ["http.response.start"],
    "no-type": [{"status": 200}],
    "type-bytes": [{"type": b"http.response.start", "status": 200}],
    "unknown": [{"type": "http.response.zerocopysend", "file": 1}],
    "no-status": [{"type": "http.response.start"}],
    "status-str": [{**START, "status": "200"}],
    "status-low": [{**START, "status": 99}],
    "headers-int": [{**START, "headers": 1}],
    "header-flat": [{**START, "headers": [b"ab"]}],
    "header-three": [{**START, "headers": [(b"a", b"b", b"c")]}],
    "header-name-str": [{**START, "headers": [("x-a", b"1")]}],
    "header-value-str": [{**START, "headers": [(b"x-a", "1")]}],
    "header-value-none": [{**START, "headers": [(b"x-a", None)]}],
    "header-name-illegal": [{**START, "headers": [(b"x a", b"1")]}],
    "header-value-illegal": [{**START, "headers": [(b"x-a", b"1\r\nb: 2")]}],
    "start-twice": [START, START],
    "body-first": [BODY],
    "body-str": [START, {**BODY, "body": "x"}],
    "body-none": [START, {**BODY, "body": None}],
    "trailers-unpromised": [START, {"type": "http.response.trailers", "headers": []}],
    "path-first": [{"type": "http.response.pathsend", "path": "/etc/hostname"}],
    "path-bytes": [START, {"type": "http.response.pathsend", "path": b"/etc/hostname"}],
    "path-relative": [START, {"type": "http.response.pathsend", "path": "x"}],
    "path-missing": [START, {"type": "http.response.pathsend", "path": "/not/there"}],
    "path-folder": [START, {"type": "http.response.pathsend", "path": "/"}],
    "hint-str": [START, {"type": "http.response.early_hint", "links": "</a>"}],
    "hint-without-links": [START, {"type": "http.response.early_hint"}],
}


async def app(scope, receive, send):
    assert scope["type"] == "http"
    name, _, rest = scope["path"].strip("/").partition("/")
    await globals()["do_" + name.replace("-", "_")](scope, receive, send, rest)


async def reply(send, value):
    body = json.dumps(value).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [[b"content-type", b"application/json"]]})
    await send({"type": "http.response.body", "body": body})


async def do_wrong(scope, receive, send, name):
    """Sends what is wrong and lets the exception go, or says with the answer what it was."""
    *good, bad = WRONG[name]
    for message in good:
        await send(message)
    if scope["query_string"] == b"raise":
        await send(bad)
    try:
        await send(bad)
    except Exception as error:
        text = f"{type(error).__name__}: {error}".encode()
        if not good:
            await send(START)
        await send({"type": "http.response.body", "body": text})


async def do_lists(scope, receive, send, rest):
    """Headers as the specification has them: any iterable of iterables."""
    pairs = (iter(pair) for pair in [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")])
    await send({"type": "http.response.start", "status": 200, "headers": pairs})
    await send({"type": "http.response.body"})


async def do_views(scope, receive, send, rest):
    """Bytes that are no `bytes`."""
    await send(START)
    await send({"type": "http.response.body", "body": memoryview(b"a view"), "more_body": True})
    await send({"type": "http.response.body", "body": bytearray(b" and an array")})


async def do_late(scope, receive, send, rest):
    await send(START)
    await send(BODY)
    await send({"type": "http.response.body", "body": b"more"})
    await send({"type": "http.response.start", "status": 500})


async def do_nothing(scope, receive, send, rest):
    pass


async def do_half(scope, receive, send, rest):
    await send(START)


async def do_half_streamed(scope, receive, send, rest):
    await send(START)
    await send({**BODY, "more_body": True})


async def do_raise_after_start(scope, receive, send, rest):
    await send(START)
    raise ValueError("told to")


async def do_raise_after_end(scope, receive, send, rest):
    await send(START)
    await send(BODY)
    raise ValueError("told to, afterwards")


async def do_impatient(scope, receive, send, rest):
    """Gives up waiting for the body again and again, and misses nothing of it."""
    total, cancelled, more = b"", 0, True
    while more:
        try:
            message = await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            cancelled += 1
            continue
        total += message["body"]
        more = message["more_body"]
    await reply(send, {"total": total.decode(), "cancelled": cancelled})


async def do_never_started(scope, receive, send, rest):
    """A receive() that is cancelled before its first step takes nothing."""
    task = asyncio.create_task(receive())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await reply(send, {"body": (await receive())["body"].decode(), "cancelled": task.cancelled()})


async def do_two_receivers(scope, receive, send, rest):
    """Both get pieces; nothing is lost or doubled."""
    pieces = []

    async def read():
        while not pieces or pieces[-1]["more_body"]:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message)

    one, two = asyncio.create_task(read()), asyncio.create_task(read())
    await asyncio.wait([one, two], return_when=asyncio.FIRST_COMPLETED)
    await reply(send, {"total": sum(len(piece["body"]) for piece in pieces)})
    await asyncio.gather(one, two)


async def do_after_answer(scope, receive, send, rest):
    """Both kinds of receive() end with the answer: one that waits, and one that comes later."""
    await receive()
    waiting = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await send(START)
    await send(BODY)
    print("then:", (await waiting)["type"], (await receive())["type"], flush=True)


async def do_hint(scope, receive, send, rest):
    await send(START)
    links = [b"</style.css>; rel=preload; as=style", b"</script.js>; rel=preload; as=script"]
    if "http.response.early_hint" in scope["extensions"]:
        await send({"type": "http.response.early_hint", "links": iter(links)})
        await send({"type": "http.response.early_hint", "links": links[:1]})
    await send({**BODY, "more_body": True})
    if "http.response.early_hint" in scope["extensions"]:
        await send({"type": "http.response.early_hint", "links": links})  # too late for HTTP/1.1
    await send(BODY)


async def do_trailers(scope, receive, send, rest):
    announced = "http.response.trailers" in scope["extensions"]
    headers = [(b"trailer", b"x-sum, x-time")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": announced})
    await send(BODY)
    if announced:
        more = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True}
        await send(more)
        await send({"type": "http.response.trailers", "headers": [(b"x-time", b"2")]})


async def do_promised_trailers(scope, receive, send, rest):
    """Sends them whether or not they were announced."""
    await send({**START, "headers": [(b"trailer", b"x-sum")], "trailers": True})
    await send(BODY)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


async def do_no_trailers(scope, receive, send, rest):
    """Promises trailers and returns without."""
    await send({**START, "headers": [(b"trailer", b"x-sum")], "trailers": True})
    await send(BODY)


async def do_debug(scope, receive, send, rest):
    if "http.response.debug" in scope["extensions"]:
        await send({"type": "http.response.debug", "info": {"template": "page.html"}})
    await reply(send, sorted(scope["extensions"]))


async def do_path(scope, receive, send, rest):
    length = scope["query_string"]
    await send({**START, "headers": [(b"content-length", length)] if length else []})
    await send({"type": "http.response.pathsend", "path": "/" + rest})


async def do_slow_reader(scope, receive, send, rest):
    """Reads one piece and then nothing for as long as the client likes."""
    await receive()
    print("read a piece", flush=True)
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(3600)


async def do_left(scope, receive, send, how):
    """Goes on after its client has left."""
    await receive()
    print(how, "waits", flush=True)
    assert await receive() == await receive() == {"type": "http.disconnect"}
    try:
        if how == "error":
            raise ValueError("a fault of the app")
        try:
            await send(START)
        except OSError:
            if how == "wrapped":
                raise RuntimeError("what a framework makes of it") from None
            raise
    finally:
        print(how, "ended", flush=True)


async def do_state(scope, receive, send, rest):
    scope["state"]["from a request"] = True
    await reply(send, sorted(scope["state"]))
