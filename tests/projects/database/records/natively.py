"""Views on django-async-backend, whose queries run on the event loop over connections of their own."""

import asyncio

from django.http import JsonResponse
from django_async_backend.db import async_connections
from django_async_backend.db.transaction import async_atomic

from records.models import Record
from records.views import threads, together


async def reads(request):
    """Ten of its own, and one through Django's, on a thread."""
    read = [(await Record.async_objects.aget(pk=number)).name for number in range(1, 11)]
    await asyncio.sleep(float(request.GET.get("wait", "0")))
    django = (await Record.objects.aget(pk=1)).name
    return JsonResponse({"read": read, "django": django, "threads": threads()})


async def undone(request):
    """Written in a transaction, seen by nobody else, taken back."""
    name = request.GET["name"]
    try:
        async with async_atomic():
            await Record.async_objects.acreate(name=name)
            await together(request)
            async with await async_connections["default"].cursor() as cursor:
                await cursor.execute("SELECT name FROM records_record WHERE name LIKE 'of-%%' ORDER BY name")
                seen = [row[0] for row in await cursor.fetchall()]
            raise LookupError
    except LookupError:
        pass
    return JsonResponse({"seen": seen, "left": await Record.async_objects.filter(name=name).acount()})
