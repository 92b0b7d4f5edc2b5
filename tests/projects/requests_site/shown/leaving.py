"""Views that wait until their client leaves, and say how they ended."""

import asyncio

from asgiref.sync import async_to_sync
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpResponse, StreamingHttpResponse

from shown.said import say


@receiver(request_finished)
def finished(**kwargs):
    say("finished")


async def forever(name):
    say(name, "waits")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        say(name, "was cancelled")
        raise


async def clean_up(name):
    await asyncio.sleep(0.01)
    say(name, "cleaned up")


async def an_async_view(request):
    try:
        await forever("async")
    finally:
        await clean_up("async")


def a_sync_view(request):
    try:
        async_to_sync(forever)("blocking")
    finally:
        async_to_sync(clean_up)("blocking")


def a_view_that_answers(request):
    """Catches the cancellation; what it waits for afterwards is its own business."""
    try:
        async_to_sync(forever)("answering")
    except asyncio.CancelledError:
        async_to_sync(clean_up)("answering")
    return HttpResponse("for nobody")


def a_stream(request):
    async def chunks():
        yield b"first"
        try:
            await forever("stream")
        finally:
            await clean_up("stream")

    return StreamingHttpResponse(chunks())
