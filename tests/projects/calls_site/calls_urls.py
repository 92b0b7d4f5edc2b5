"""Each view twice: on a thread and on the loop. What they see of a call that ends early they say on standard output."""

import asyncio
import time

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpResponse, JsonResponse
from django.urls import path

from turnout import http

client = http.client


def request_to(target, method="GET"):
    return http.Request(method, target, upstream="upstream")


def say(*words):
    print(*words, flush=True)


def seen(name, call):
    """What became of a call that the client's leaving ends."""
    try:
        response = call()
    except http.HTTPError as error:
        say(name, type(error).__name__)
        raise
    return HttpResponse(response.content)


def sync_hold(request):
    return seen("sync", lambda: client.send(request_to("/hold")))


def sync_gather(request):
    try:
        gathered = client.gather([request_to("/hold"), request_to("/x")])
    except http.RequestCancelled:
        say("gather RequestCancelled")
        raise
    say("gather", *[str(outcome.status) for outcome in gathered.values()])
    return JsonResponse(gathered.report())


async def async_hold(request):
    try:
        response = await client.asend(request_to("/hold"))
    except asyncio.CancelledError:
        say("async CancelledError")
        raise
    return HttpResponse(response.content)


async def async_gather(request):
    try:
        gathered = await client.agather([request_to("/hold"), request_to("/x")])
    except asyncio.CancelledError:
        say("agather CancelledError")
        raise
    return JsonResponse(gathered.report())


async def hop_hold(request):
    return await sync_to_async(seen)("hop", lambda: client.send(request_to("/hold")))


def nested_hold(request):
    """A sync view that waits for a coroutine."""

    async def call():
        return (await client.asend(request_to("/hold"))).content

    try:
        return HttpResponse(async_to_sync(call)())
    except asyncio.CancelledError:
        say("nested CancelledError")
        raise


def sync_post(request):
    return seen("post", lambda: client.send(request_to("/hold", "POST")))


async def async_post(request):
    try:
        return HttpResponse((await client.asend(request_to("/hold", "POST"))).content)
    except asyncio.CancelledError:
        say("apost CancelledError")
        raise


def sync_detached(request):
    with http.detached():
        response = client.send(request_to("/hold"))
    say("detached", response.status_code)
    return HttpResponse(response.content)


def sync_echo(request):
    return JsonResponse({**client.send(request_to("/echo")).json(), "deadline": http.current_deadline()})


async def async_echo(request):
    response = await client.asend(request_to("/echo"))
    return JsonResponse({**response.json(), "deadline": http.current_deadline()})


async def async_blocks(request):
    try:
        client.send(request_to("/echo"))
    except Exception as error:
        return HttpResponse(type(error).__name__)
    return HttpResponse("it blocked")


def sync_late(request):
    try:
        client.send(request_to("/hold"))
    except http.DeadlineExceeded:
        return HttpResponse("late", status=504)


async def async_late(request):
    try:
        await client.asend(request_to("/hold"))
    except http.DeadlineExceeded:
        return HttpResponse("late", status=504)


burned = 0


async def burn(request):
    """Computes for five milliseconds once its call has its answer."""
    global burned
    response = await client.asend(request_to("/hold"))
    end = time.thread_time() + 0.005
    while time.thread_time() < end:
        pass
    burned += 1
    return HttpResponse(response.content)


async def quick(request):
    """How many have burned."""
    return HttpResponse(str(burned))


urlpatterns = [
    path("burn", burn),
    path("quick", quick),
    path("hold/sync", sync_hold),
    path("hold/async", async_hold),
    path("hold/hop", hop_hold),
    path("hold/nested", nested_hold),
    path("hold/gather", sync_gather),
    path("hold/agather", async_gather),
    path("post/sync", sync_post),
    path("post/async", async_post),
    path("detached", sync_detached),
    path("echo/sync", sync_echo),
    path("echo/async", async_echo),
    path("blocks", async_blocks),
    path("late/sync", sync_late),
    path("late/async", async_late),
]
