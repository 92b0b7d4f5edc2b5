"""Each misdeed once as a sync and once as an async view."""

import asyncio
import os
import signal
import sys
import time

from django.http import HttpResponse, StreamingHttpResponse


def fine(request):
    return HttpResponse("fine", content_type="text/plain")


def slow(request):
    time.sleep(0.5)
    return fine(request)


async def slow_async(request):
    await asyncio.sleep(0.5)
    return fine(request)


def pid(request):
    return HttpResponse(str(os.getpid()), content_type="text/plain")


def bent_status(status):
    """HttpResponse itself refuses these; code that sets the attribute does not."""

    def view(request):
        response = fine(request)
        response.status_code = status
        return response

    return view


def header(name, value):
    """Django refuses CR and LF; code that writes into its store does not."""

    def view(request):
        response = fine(request)
        response.headers._store[name.lower()] = (name, value)
        return response

    return view


def no_content(request):
    return HttpResponse("fine", status=204)


def raises(request):
    raise ValueError("told to")


def raises_midway(request):
    def pieces():
        yield b"half"
        raise ValueError("told to, midway")

    return StreamingHttpResponse(pieces())


async def raises_midway_async(request):
    async def pieces():
        yield b"half"
        raise ValueError("told to, midway")

    return StreamingHttpResponse(pieces())


def none(request):
    return None


def sys_exit(request):
    sys.exit(3)


def memory(request):
    raise MemoryError


def os_exit(request):
    os._exit(3)


def sigsegv(request):
    os.kill(os.getpid(), signal.SIGSEGV)


def sigkill(request):
    os.kill(os.getpid(), signal.SIGKILL)
