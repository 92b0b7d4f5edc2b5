"""Layers of the async chain that follow each other, run as one coroutine.

Each layer keeps the meaning Django gives it: its process_request may answer, its process_response sees the answer of
the layers below, and an exception in it becomes a response that the layers above still see. A hook runs on the loop
where it is vetted and its condition holds; otherwise it and what follows of the run go to the request's thread at once.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from asgiref.sync import SyncToAsync, _restore_context, markcoroutinefunction, sync_to_async
from django.core.handlers import exception

# When a hook may run on the loop: always, never, or if the condition says so for this request (and response).
When = bool | Callable[..., bool]


class Layer(NamedTuple):
    """The two hooks of one middleware."""

    process_request: Callable[[Any], Any] | None
    process_response: Callable[[Any, Any], Any] | None
    request_when: When
    response_when: When


class Chain(NamedTuple):
    """Layers from the outermost to the innermost, and what they surround."""

    layers: list[Layer]
    endpoint: Callable[[Any], Awaitable[Any]]


class OnThread:
    """What an inline hook gives back when the answer itself must be made on a thread: by `make(*arguments)`."""

    __slots__ = ("arguments", "make")

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self.make = make
        self.arguments = arguments

    async def answer(self) -> Any:
        """The answer, made on the request's thread."""
        return await sync_to_async(self.make, thread_sensitive=True)(*self.arguments)

    def answer_here(self) -> Any:
        """The answer, for a hook that ran on a thread."""
        return self.make(*self.arguments)


class OneMode:
    """A condition for middleware whose process_response undoes what its process_request did to the Context (F9).

    A ContextVar's token can be reset only in the Context it was made in, which on the loop is the task's and on a
    thread is that of the run's hops. So what is decided on the way in holds on the way out.
    """

    def __init__(self, when: Callable[[Any], bool]) -> None:
        self._when = when

    def request(self, request: Any) -> bool:
        """Whether process_request runs on the loop."""
        if not self._when(request):
            return False
        request.__dict__.setdefault("turnout_on_loop", set()).add(self)
        return True

    def response(self, request: Any, response: Any = None) -> bool:
        """Whether it did."""
        return self in request.__dict__.get("turnout_on_loop", ())


class Hook:
    """A hook adapted for the async chain: awaited it runs on the request's thread; it may also know an inline way."""

    def __init__(self, method: Any, when: When = False, inline: Callable[..., Any] | None = None) -> None:
        self.method = method
        self.when = when
        self.inline = inline or method
        self.__self__ = getattr(method, "__self__", None)
        self._hop = sync_to_async(method, thread_sensitive=True)
        markcoroutinefunction(self)

    def inline_now(self, request: Any, callback: Any) -> bool:
        """Whether this hook may run on the loop for this request."""
        when = self.when
        return when if isinstance(when, bool) else when(request, callback)

    def __call__(self, *args: Any) -> Awaitable[Any]:
        """As Django's adapted hook: awaitable, on the request's thread."""
        return self._hop(*args)


def response_for_exception(request: Any, error: Exception) -> Any:
    """Django's, looked up each time: error trackers replace it."""
    return exception.response_for_exception(request, error)


to_response: SyncToAsync[Any, Any] = sync_to_async(response_for_exception, thread_sensitive=True)


def _within(own: contextvars.Context, fn: Callable[..., Any], *args: Any) -> Any:
    """On the thread: run hooks in the one Context of their run.

    asgiref gives each hop a copy of the task's Context, in which a token of process_request cannot be reset by
    process_response (F9). So changes go into our Context first, and out of it afterwards; asgiref takes them home.
    """
    own.run(_restore_context, contextvars.copy_context())
    try:
        return own.run(fn, *args)
    finally:
        _restore_context(own)


_hop: SyncToAsync[Any, Any] = sync_to_async(_within, thread_sensitive=True)


def chain_of(get_response: Any) -> Chain | None:
    """The chain behind a callable that `run_of` made."""
    return getattr(get_response, "turnout_chain", None)


def run_of(layers: list[Layer], endpoint: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """One coroutine function for `layers` around `endpoint`, exceptions converted layer by layer."""
    count = len(layers)
    requests = [
        (index, layer.process_request, layer.request_when)
        for index, layer in enumerate(layers)
        if layer.process_request is not None
    ]
    responses = [
        (index, layer.process_response, layer.response_when)
        for index, layer in reversed(list(enumerate(layers)))
        if layer.process_response is not None
    ]

    async def run(request: Any) -> Any:
        answered = False
        own: contextvars.Context | None = None
        # The innermost layer whose process_response sees the answer.
        top = count - 1
        for position, (index, hook, when) in enumerate(requests):
            if when is not True and (when is False or not when(request)):
                own = contextvars.copy_context()
                answered, response, top = await _hop(own, _rest_of_requests, request, requests[position:], count)
                break
            try:
                response = hook(request)
            except Exception as error:
                response, top = await _recover(request, error, index)
                answered = True
                break
            if response:
                top = index
                answered = True
                if type(response) is OnThread:
                    try:
                        response = await response.answer()
                    except Exception as error:
                        response, top = await _recover(request, error, index)
                break
        if not answered:
            try:
                response = await endpoint(request)
            except Exception as error:
                response, top = await _recover(request, error, count)
        position = 0
        for position, (index, hook, when) in enumerate(responses):
            if index > top:
                continue
            if when is not True and (when is False or not when(request, response)):
                own = own or contextvars.copy_context()
                return await _with_hops(own, request, response, responses[position:], top)
            try:
                response = hook(request, response)
            except Exception as error:
                response, top = await _recover(request, error, index)
        return response

    run.turnout_chain = Chain(layers, endpoint)  # type: ignore[attr-defined]
    return run


def sync_run_of(layers: list[Layer], endpoint: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same for the sync chain: one call for all layers, each with Django's meaning."""
    count = len(layers)
    requests = [
        (index, layer.process_request, True) for index, layer in enumerate(layers) if layer.process_request is not None
    ]
    responses = [
        (index, layer.process_response, True)
        for index, layer in reversed(list(enumerate(layers)))
        if layer.process_response is not None
    ]

    def run(request: Any) -> Any:
        answered, response, top = _rest_of_requests(request, requests, count)
        if not answered:
            try:
                response = endpoint(request)
            except Exception as error:
                response, top = _recover_here(request, error, count)
        return _rest_of_responses(request, response, responses, top)[0]

    run.turnout_chain = Chain(layers, endpoint)  # type: ignore[attr-defined]
    return run


def single_layer(layer: Layer, middleware: Any) -> Callable[[Any], Awaitable[Any]]:
    """MiddlewareMixin.__acall__ for one layer whose surroundings are somebody else's."""
    on_request, on_response, request_when, response_when = layer

    async def acall(request: Any) -> Any:
        response = None
        own: contextvars.Context | None = None
        if on_request is not None:
            if request_when if isinstance(request_when, bool) else request_when(request):
                response = on_request(request)
            else:
                own = contextvars.copy_context()
                response = await _hop(own, on_request, request)
            if type(response) is OnThread:
                response = await response.answer()
        response = response or await middleware.get_response(request)
        if on_response is not None:
            if response_when if isinstance(response_when, bool) else response_when(request, response):
                return on_response(request, response)
            response = await _hop(own or contextvars.copy_context(), on_response, request, response)
        return response

    return acall


async def _recover(request: Any, error: Exception, index: int) -> tuple[Any, int]:
    """The response for an exception in layer `index`, and the innermost layer that still sees it.

    Runs inside the except block, so that the thread sees the exception as the current one. Where making the response
    fails too (DEBUG_PROPAGATE_EXCEPTIONS), that error belongs to the layer above.
    """
    try:
        return await to_response(request, error), index - 1
    except Exception as again:
        if index == 0:
            raise
        return await _recover(request, again, index - 1)


def _recover_here(request: Any, error: Exception, index: int) -> tuple[Any, int]:
    try:
        return response_for_exception(request, error), index - 1
    except Exception as again:
        if index == 0:
            raise
        return _recover_here(request, again, index - 1)


def _rest_of_requests(request: Any, hooks: Any, count: int) -> tuple[bool, Any, int]:
    """On a thread: the remaining process_request hooks of a run. Whether answered, with what, up to which layer."""
    for index, hook, _ in hooks:
        try:
            response = hook(request)
            if type(response) is OnThread:
                response = response.answer_here()
        except Exception as error:
            return True, *_recover_here(request, error, index)
        if response:
            return True, response, index
    return False, None, count - 1


async def _with_hops(own: contextvars.Context, request: Any, response: Any, hooks: Any, top: int) -> Any:
    """process_response hooks of which one hops; it takes along those behind it, up to one that is bound to the loop."""
    position = 0
    while position < len(hooks):
        index, hook, when = hooks[position]
        if index > top:
            position += 1
        elif when is True or (when is not False and when(request, response)):
            position += 1
            try:
                response = hook(request, response)
            except Exception as error:
                response, top = await _recover(request, error, index)
        else:
            behind = range(position + 1, len(hooks))
            bound = next((n for n in behind if _is_bound_to_loop(hooks[n][2], request)), len(hooks))
            response, top = await _hop(own, _rest_of_responses, request, response, hooks[position:bound], top)
            position = bound
    return response


def _is_bound_to_loop(when: When, request: Any) -> bool:
    return type(getattr(when, "__self__", None)) is OneMode and when(request)  # type: ignore[operator]


def _rest_of_responses(request: Any, response: Any, hooks: Any, top: int) -> tuple[Any, int]:
    """On a thread: process_response hooks that follow each other. The answer, and up to which layer it is seen."""
    for index, hook, _ in hooks:
        if index > top:
            continue
        try:
            response = hook(request, response)
        except Exception as error:
            response, top = _recover_here(request, error, index)
    return response, top
