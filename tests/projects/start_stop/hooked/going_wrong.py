"""What goes wrong at the start; which of it, $WRONG says."""

import asyncio
import os
import threading

from hooked.said import say
from turnout import on_shutdown, on_startup

on_startup(lambda: say("first"))
on_shutdown(lambda: say("never"))


def sync_raises():
    raise OSError("no cache here")


async def async_raises():
    raise OSError("no cache here")


async def cancelled():
    other = asyncio.ensure_future(asyncio.sleep(3600))
    other.cancel()
    await other


def exits():
    raise SystemExit("enough")


def stop_iteration():
    next(iter(()))


async def async_hangs():
    say("hanging")
    await deeper()


async def deeper():
    await asyncio.Event().wait()


def sync_hangs():
    say("hanging")
    threading.Event().wait()


async def will_not_be_cancelled():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            say("goes on")


on_startup(globals()[os.environ["WRONG"]], timeout=float(os.environ.get("WITHIN", "60")))
on_startup(lambda: say("not after that"))
