"""Hooks as a project would have them: something of the loop, something of the ORM, something for each request."""

import asyncio
import threading

import aiohttp
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from hooked import state
from hooked.said import say
from hooked.state import label, number
from turnout import on_shutdown, on_startup

token = None


@on_startup
async def open_session():
    global token
    token = label.set("from the start")
    state.session = aiohttp.ClientSession()
    say("session opened")


@on_startup
def read_from_the_database():
    connection.ensure_connection()
    state.used["sync"] = connection.connection
    number.set(number.get() + ContentType.objects.count() + 1)
    say(f"read with {label.get()}")


@on_startup(timeout=30)
async def read_from_the_loop():
    await ContentType.objects.acount()
    number.set(number.get() + 1)
    say(f"read {number.get()} on {await sync_to_async(thread_name)()}")


def thread_name():
    return threading.current_thread().name.rstrip("-0123456789")


@on_startup
def call_the_loop():
    async def where():
        return threading.current_thread().name

    say(f"called {async_to_sync(where)()}")


@on_startup
async def answer_in_the_background():
    state.questions = asyncio.Queue()
    state.task = asyncio.create_task(answer_questions())


async def answer_questions():
    while True:
        future = await state.questions.get()
        count = await ContentType.objects.acount()
        future.set_result(f"{count} on {await sync_to_async(thread_name)()}")


@on_shutdown
async def close_session():
    label.reset(token)
    say(f"session closed, label {label.get()}")
    await state.session.close()


@on_shutdown
def say_goodbye():
    ContentType.objects.count()
    say(f"goodbye of {label.get()}")
