"""Middleware of every shape a project may have."""

import contextvars
import threading

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import PermissionDenied
from django.core.signals import request_started
from django.http import HttpResponse
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tracks_site import views

token = contextvars.ContextVar("token", default=None)


def note(text):
    views.events.append(f"{text} {threading.current_thread().name}")


class Noting(MiddlewareMixin):
    def process_request(self, request):
        note("request")

    def process_view(self, request, callback, args, kwargs):
        note("view")

    def process_response(self, request, response):
        note("response")
        return response


class Listening(MiddlewareMixin):
    """Has no hooks, and hears of requests by a signal, which holds it weakly."""

    def __init__(self, get_response):
        super().__init__(get_response)
        request_started.connect(self.hear)

    def hear(self, **kwargs):
        views.events.append("heard")


class Tokens(MiddlewareMixin):
    """As tracers do it: a ContextVar set on the way in and reset on the way out."""

    def process_request(self, request):
        request.token = token.set(request.path)

    def process_response(self, request, response):
        response["X-Token"] = f"{token.get()} {views.marker.get()}"
        token.reset(request.token)
        return response


class Answering(MiddlewareMixin):
    def process_request(self, request):
        return HttpResponse("answered")


class Raising(MiddlewareMixin):
    def process_request(self, request):
        raise PermissionDenied


class RaisingLate(MiddlewareMixin):
    def process_response(self, request, response):
        raise ValueError("late")


class Stamping(MiddlewareMixin):
    def process_response(self, request, response):
        response["X-Stamp"] = str(response.status_code)
        return response


class Catching(MiddlewareMixin):
    def process_exception(self, request, exception):
        note("caught")
        return HttpResponse(f"caught {exception}", status=418)


class Templating(MiddlewareMixin):
    def process_template_response(self, request, response):
        response.context_data["name"] = "middleware"
        return response


class LoudSecurity(SecurityMiddleware):
    def process_response(self, request, response):
        note("loud")
        return super().process_response(request, response)


class ShyCommon(CommonMiddleware):
    """Changes data only."""

    response_redirect_class = CommonMiddleware.response_redirect_class


class Rerouting(MiddlewareMixin):
    def process_request(self, request):
        request.urlconf = "tracks_site.other_urls"


class NativeAsync:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        return self.get_response(request)

    async def __acall__(self, request):
        note("native")
        response = await self.get_response(request)
        note("native back")
        return response


@sync_and_async_middleware
def function(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            note("function")
            return await get_response(request)
    else:

        def middleware(request):
            note("function")
            return get_response(request)

    return middleware


@sync_only_middleware
def sync_only(get_response):
    def middleware(request):
        note("sync only")
        response = get_response(request)
        note("sync only back")
        return response

    return middleware


@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        note("async only")
        return await get_response(request)

    return middleware


class Acting(MiddlewareMixin):
    """Does what the request asks of it: `X-Do: <layer> <hook> <deed>`. Three of these make a stack."""

    number = 0

    def process_request(self, request):
        return self._act(request, "request")

    def process_view(self, request, callback, args, kwargs):
        return self._act(request, "view")

    def process_response(self, request, response):
        views.events.append(f"{self.number} response {response.status_code}")
        return self._act(request, "response") or response

    def _act(self, request, hook):
        if hook != "response":
            views.events.append(f"{self.number} {hook}")
        layer, asked, deed = request.headers.get("X-Do", "- - -").split()
        if (layer, asked) != (str(self.number), hook):
            return None
        if deed == "answer":
            return HttpResponse("answered", status=202)
        raise PermissionDenied if deed == "refuse" else ValueError("deed")


class Acting0(Acting):
    pass


class Acting1(Acting):
    number = 1


class Acting2(Acting):
    number = 2
