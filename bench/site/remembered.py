"""Views by the hundred, whose requests make calls that do nothing, for bench/memory.py. A project in one file."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from turnout.incoming import current_scope

if not settings.configured:
    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], ASGI_APPLICATION="remembered.asgi"
    )

#: As many views as the bench asks for.
VIEWS = int(os.environ.get("REMEMBERED_VIEWS", "1"))


def _nothing() -> None:
    pass


def _view(number: int):
    def view(request):
        scope = current_scope.get()
        for _ in range(int(request.GET.get("waits", "0"))):
            scope.time_call("http", "127.0.0.1:8000", _nothing, ())
        return HttpResponse(b"ok")

    view.__name__ = view.__qualname__ = f"view_{number}"
    return view


def facts(request):
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [path("facts/", facts), *(path(f"{number}/", _view(number)) for number in range(VIEWS))]
asgi = get_asgi_application()
