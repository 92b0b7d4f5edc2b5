"""What async and sync views do with a cache and with sessions."""

from django.core.cache import cache
from django.http import JsonResponse

from records.views import threads


async def value(request):
    """Written once, read twice."""
    name = request.GET["name"]
    await cache.aset(name, name.upper(), 60)
    return JsonResponse({"value": await cache.aget(name), "again": await cache.aget(name), "threads": threads()})


def value_on_a_thread(request):
    name = request.GET["name"]
    cache.set(name, name.upper(), 60)
    return JsonResponse({"value": cache.get(name), "again": cache.get(name), "threads": threads()})


async def visits(request):
    """Counted in the session."""
    count = await request.session.aget("visits", 0) + 1
    await request.session.aset("visits", count)
    return JsonResponse({"visits": count, "threads": threads()})


def visits_on_a_thread(request):
    count = request.session.get("visits", 0) + 1
    request.session["visits"] = count
    return JsonResponse({"visits": count, "threads": threads()})
