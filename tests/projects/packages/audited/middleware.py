import threading

from django.contrib.auth.models import User
from django.utils.deprecation import MiddlewareMixin


class Knows(MiddlewareMixin):
    """Whose request it is."""

    def process_request(self, request):
        request.user = User.objects.get(username=request.GET["user"])


current = threading.local()


class Remembers(MiddlewareMixin):
    """What many projects have of their own."""

    def process_request(self, request):
        current.user = request.user

    def process_response(self, request, response):
        response["X-User"] = current.user.username
        del current.user
        return response


class Binds(MiddlewareMixin):
    """structlog's contexts, the one for contextvars and the one for threads."""

    def process_request(self, request):
        from structlog import contextvars, threadlocal

        contextvars.bind_contextvars(user=request.user.username)
        threadlocal.bind_threadlocal(user=request.user.username)

    def process_response(self, request, response):
        from structlog import contextvars, threadlocal

        contextvars.clear_contextvars()
        threadlocal.clear_threadlocal()
        return response
