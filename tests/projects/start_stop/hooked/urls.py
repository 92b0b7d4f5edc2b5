import asyncio
import importlib
import json

from django.http import HttpResponse, JsonResponse
from django.urls import path

from hooked import state
from hooked.said import say


def sync_facts(request):
    return JsonResponse(facts(request))


async def async_facts(request):
    async with state.session.get(request.build_absolute_uri("/sync")) as answer:
        inner = json.loads(await answer.text())
    return JsonResponse({**facts(request), "inner": inner})


def facts(request):
    return {
        "class": type(request).__name__,
        "label": state.label.get(),
        "number": state.number.get(),
        "closed": closed(),
    }


def closed():
    """Whether the connection that the sync hook used can be used no more."""
    try:
        state.used["sync"].execute("SELECT 1")
    except Exception as error:
        return str(error)
    return "open"


async def slow(request):
    say("begun")
    await asyncio.sleep(1)
    say("answered")
    return HttpResponse("slow")


async def ask(request):
    future = asyncio.get_running_loop().create_future()
    state.questions.put_nowait(future)
    return HttpResponse(await future)


def late(request):
    importlib.import_module("hooked.late")
    return HttpResponse("late")


urlpatterns = [
    path("sync", sync_facts),
    path("async", async_facts),
    path("slow", slow),
    path("ask", ask),
    path("late", late),
]
