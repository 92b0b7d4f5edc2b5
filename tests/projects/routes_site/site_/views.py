import threading

from django.db import transaction
from django.http import HttpResponse
from django.views import View


def _answer():
    return HttpResponse(threading.current_thread().name)


def sync(request, **kwargs):
    return _answer()


async def asynchronous(request, **kwargs):
    return _answer()


@transaction.non_atomic_requests
async def not_atomic(request):
    return _answer()


class Sync(View):
    def get(self, request, **kwargs):
        return _answer()


class Async(View):
    async def get(self, request, **kwargs):
        return _answer()


class Instance:
    """A view that is an object."""

    def __call__(self, request):
        return _answer()
