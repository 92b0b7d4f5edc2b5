"""Shutdown hooks that fail or hang, between two that do neither."""

import asyncio
import threading

from hooked.said import say
from turnout import on_shutdown


@on_shutdown
def last():
    say("last")


@on_shutdown
async def hangs_on_the_loop():
    await asyncio.Event().wait()


@on_shutdown
def hangs_on_a_thread():
    threading.Event().wait()


@on_shutdown
async def fails_on_the_loop():
    raise ValueError("the queue is not empty")


@on_shutdown
def fails_on_a_thread():
    raise ValueError("the file is gone")


@on_shutdown
async def first():
    say("first")
