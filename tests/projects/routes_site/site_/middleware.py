from django.core.signals import request_finished, request_started
from django.utils.decorators import async_only_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin


@sync_only_middleware
def sync_only(get_response):
    return get_response


@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        return await get_response(request)

    return middleware


class Unread(MiddlewareMixin):
    def process_request(self, request):
        pass


class Listening(MiddlewareMixin):
    """Its module's receivers are connected when it is made."""

    def __init__(self, get_response):
        super().__init__(get_response)
        request_started.connect(count)
        request_finished.connect(self.count_out)

    def count_out(self, **kwargs):
        pass


def count(**kwargs):
    pass
