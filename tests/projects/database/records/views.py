"""What async and sync views do with a database: each answers what it saw, as JSON."""

import asyncio
import os

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import JsonResponse

from records.models import Record


def threads() -> int:
    """Of the worker, all of them."""
    return len(os.listdir("/proc/self/task"))


def facts(request):
    return JsonResponse({"threads": threads()})


async def user(request):
    """Reads the session and the user, then waits, as for an API."""
    found = await request.auser()
    seconds = float(request.GET.get("wait", "0"))
    if seconds:
        await asyncio.sleep(seconds)
    return JsonResponse({"user": found.get_username(), "threads": threads()})


def user_on_a_thread(request):
    return JsonResponse({"user": request.user.get_username(), "threads": threads()})


class Crowd:
    """Those who wait until so many are here."""

    def __init__(self) -> None:
        self.here = 0
        self.complete = asyncio.Event()

    async def join(self, count: int) -> None:
        self.here += 1
        if self.here >= count:
            self.complete.set()
        await self.complete.wait()


crowds: dict[str, Crowd] = {}


async def together(request, where: str = "") -> None:
    """Until `together` requests of this `crowd` have come here: then all of them were in flight at once."""
    await crowds.setdefault(request.GET["crowd"] + where, Crowd()).join(int(request.GET["together"]))


async def user_together(request):
    """Reads its user, and waits until all have read theirs."""
    found = await request.auser()
    await together(request)
    return JsonResponse({"user": found.get_username(), "threads": threads()})


async def ten_reads(request):
    read = [(await Record.objects.aget(pk=number)).name for number in range(1, 11)]
    return JsonResponse({"read": read})


def ten_reads_on_a_thread(request):
    return JsonResponse({"read": [Record.objects.get(pk=number).name for number in range(1, 11)]})


async def transaction_over_hops(request):
    """Begins in one hop, writes in another, reads when all have written, and ends in yet another when all have read."""
    name, keep = request.GET["name"], request.GET["end"] == "commit"
    block = transaction.atomic()
    await sync_to_async(block.__enter__)()
    await Record.objects.acreate(name=name)
    await together(request)
    seen = [record.name async for record in Record.objects.filter(name__startswith=request.GET["of"])]
    await together(request, "seen")
    error = None if keep else LookupError("rolled back")
    await sync_to_async(block.__exit__)(error and LookupError, error, None)
    return JsonResponse({"seen": seen})


def names(request):
    """What transactions have left."""
    found = Record.objects.filter(name__startswith=request.GET["of"]).order_by("name")
    return JsonResponse({"names": [record.name for record in found]})


def not_found(request, exception):
    """A friendly 404, which looks into the database."""
    return JsonResponse({"records": Record.objects.filter(pk__lte=10).count()}, status=404)
