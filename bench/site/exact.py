"""Views whose waits and computing are known from elsewhere, for bench/exactness.py. A project in one file."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from turnout import _turnout
from turnout.times import Times

if not settings.configured:
    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], ASGI_APPLICATION="exact.asgi"
    )

_local = threading.local()
_lock = threading.Lock()
# Sums of nanoseconds, of the time inside the view alone.
_truth = {"requests": 0, "wall": 0, "waited": 0, "computed": 0}
_said = dict.fromkeys(Times._fields, 0.0)
COMPUTE_NS = 2_000_000


def _compute(nanoseconds: int) -> None:
    began = time.thread_time_ns()
    while time.thread_time_ns() < began + nanoseconds:
        pass


def _helper() -> socket.socket:
    """This thread's own connection to the process that ends its polls."""
    try:
        return _local.helper
    except AttributeError:
        helper = socket.socket(socket.AF_UNIX)
        helper.connect(os.environ["EXACT_HELPER"])
        _local.helper = helper
        return helper


def poll(request):
    """Waits for the helper, which says when it wrote, and computes."""
    helper = _helper()
    poller = select.poll()
    poller.register(helper, select.POLLIN)
    before, entered, clock = request.turnout.times, time.monotonic_ns(), time.thread_time_ns()
    helper.send(b"x")
    began = time.monotonic_ns()
    poller.poll()
    wrote = struct.unpack("q", helper.recv(8))[0]
    _compute(COMPUTE_NS)
    computed, wall, after = time.thread_time_ns() - clock, time.monotonic_ns() - entered, request.turnout.times
    with _lock:
        _truth["requests"] += 1
        _truth["wall"] += wall
        # Stopped in front of the poll, it may find it over: then it has waited for a processor alone.
        _truth["waited"] += max(0, wrote - began)
        _truth["computed"] += computed
        for name, then, now in zip(Times._fields, before, after, strict=True):
            _said[name] += (now - then) * 1e9
    return HttpResponse(b"ok")


async def brief(request):
    return HttpResponse(b"ok")


async def long(request):
    """Computes on the loop, in one step."""
    _compute(300_000_000)
    return HttpResponse(b"ok")


def figures(request):
    """What turnout says, and what the views know themselves: sums of nanoseconds."""
    views = {name: {"counts": counts, "parts": parts} for name, counts, parts in _turnout.view_figures()}
    return JsonResponse({"views": views, "truth": _truth, "said": _said, "rungs": _turnout.accounting()})


urlpatterns = [path(f"{view.__name__}/", view) for view in (poll, brief, long, figures)]
asgi = get_asgi_application()
