"""All that Django and asgiref keep for one request outside of it, set by middleware and looked at everywhere."""

import contextvars
import threading
import zoneinfo

from asgiref.local import Local
from asgiref.sync import iscoroutinefunction
from django.core import signals
from django.dispatch import receiver
from django.urls import get_script_prefix, reverse
from django.utils import timezone, translation
from django.utils.decorators import sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from promises_site.said import say

variable = contextvars.ContextVar("variable", default="unset")
local = Local()
of_thread = threading.local()


def here():
    return threading.current_thread().name


def seen():
    """As a text, so that two places are easily compared."""
    return " ".join(
        [
            variable.get(),
            getattr(local, "value", "unset"),
            translation.get_language(),
            timezone.get_current_timezone_name(),
            reverse("home"),
            get_script_prefix(),
        ]
    )


def wanted(request):
    return request.headers.get("X-Mark", "")


class Marking(MiddlewareMixin):
    """Sets what it finds in the request, and takes nothing back: the end of the request does."""

    def process_request(self, request):
        mark = wanted(request)
        if mark:
            variable.set(mark)
            local.value = mark
            of_thread.value = mark

    def process_response(self, request, response):
        response["X-Seen"] = seen()
        return response


@sync_and_async_middleware
def Zone(get_response):
    """A middleware of both kinds, as the documentation writes the one for time zones."""

    def activate(request):
        name = request.headers.get("X-Zone")
        if name:
            timezone.activate(zoneinfo.ZoneInfo(name))

    if iscoroutinefunction(get_response):

        async def middleware(request):
            activate(request)
            return await get_response(request)
    else:

        def middleware(request):
            activate(request)
            return get_response(request)

    return middleware


@sync_only_middleware
def old(get_response):
    """From before there were async views."""

    def middleware(request):
        request.old = here()
        of_thread.old = request.path
        response = get_response(request)
        response["X-Old"] = f"{request.old} {here()} {of_thread.old == request.path}"
        return response

    return middleware


def name_of(sender):
    return getattr(sender, "__name__", sender)


@receiver(signals.request_started)
def started(sender, **kwargs):
    say(f"started {here()} {name_of(sender)} {sorted(kwargs.keys() - {'signal'})}")


@receiver(signals.request_finished)
def finished(sender, **kwargs):
    say(f"finished {here()} {name_of(sender)} {variable.get()}")
