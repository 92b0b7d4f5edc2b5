"""An ASGI app that does, on demand, everything an app must not do."""

import asyncio
import os
import signal
import sys

OK = [(b"content-type", b"text/plain")]


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    name = scope["path"].strip("/").replace("/", "_").replace("-", "_")
    await globals()["do_" + name](scope, receive, send)


async def answer(send, status=200, headers=OK, body=b"fine"):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def do_fine(scope, receive, send):
    await answer(send)


async def do_slow(scope, receive, send):
    await asyncio.sleep(0.5)
    await answer(send)


async def do_pid(scope, receive, send):
    await answer(send, body=str(os.getpid()).encode())


async def do_status_0(scope, receive, send):
    await answer(send, status=0)


async def do_status_99(scope, receive, send):
    await answer(send, status=99)


async def do_status_1000(scope, receive, send):
    await answer(send, status=1000)


async def do_status_abc(scope, receive, send):
    await answer(send, status="abc")


async def do_header_crlf(scope, receive, send):
    await answer(send, headers=[(b"x-evil", b"a\r\nset-cookie: b=c")])


async def do_header_nul(scope, receive, send):
    await answer(send, headers=[(b"x-evil", b"a\x00b")])


async def do_header_name(scope, receive, send):
    await answer(send, headers=[(b"x evil", b"a")])


async def do_length_short(scope, receive, send):
    await answer(send, headers=[(b"content-length", b"2")])


async def do_length_long(scope, receive, send):
    await answer(send, headers=[(b"content-length", b"200")])


async def do_body_204(scope, receive, send):
    await answer(send, status=204)


async def do_raise(scope, receive, send):
    raise ValueError("told to")


async def do_raise_midway(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": OK})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("told to, midway")


async def do_after_end(scope, receive, send):
    await answer(send)
    await send({"type": "http.response.body", "body": b"more"})


async def do_no_response(scope, receive, send):
    return


async def do_sys_exit(scope, receive, send):
    sys.exit(3)


async def do_memory(scope, receive, send):
    raise MemoryError


async def do_os_exit(scope, receive, send):
    os._exit(3)


async def do_sigsegv(scope, receive, send):
    os.kill(os.getpid(), signal.SIGSEGV)


async def do_sigkill(scope, receive, send):
    os.kill(os.getpid(), signal.SIGKILL)
