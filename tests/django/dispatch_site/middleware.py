"""Says which chain a request went through, and middleware of shapes that matter for the track."""

import threading

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import async_only_middleware, sync_and_async_middleware


def here():
    return threading.current_thread().name


@sync_and_async_middleware
def where(get_response):
    """The async chain enters on the loop's thread, the sync one on a thread of the pool."""

    def enter(request):
        request.chain = here()
        # Nobody may have told the request what it resolves to, before it is resolved.
        request.matched_early = request.resolver_match is not None

    def leave(request, response):
        response["X-Chain"] = request.chain
        response["X-Early"] = str(request.matched_early)
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request):
            enter(request)
            return leave(request, await get_response(request))
    else:

        def middleware(request):
            enter(request)
            return leave(request, get_response(request))

    return middleware


@async_only_middleware
def only_async(get_response):
    async def middleware(request):
        return await get_response(request)

    return middleware
