"""OpenTelemetry's Django middleware: it starts a span, makes it the current one, and ends it on the way out.

Newer releases are sync only and would hold a thread for each async request; told as two hooks (synconly.py) they need
none while spans are collected in memory and sent from a thread of OpenTelemetry's own. The current span lies in a
ContextVar, so both hooks run in one mode (layers.OneMode).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from turnout.django import vetting
from turnout.django.hooks.common import can_try_urls
from turnout.django.hooks.verdicts import Hooks, Vetted, VettedView
from turnout.django.layers import OneMode

_MIDDLEWARE = "opentelemetry.instrumentation.django.middleware.otel_middleware"
#: What a span runs at its start and at its end, where it is the SDK's.
BATCHING = "opentelemetry.sdk.trace.export.BatchSpanProcessor.on_end"
_BATCHED = "opentelemetry.sdk.trace.export.BatchSpanProcessor"
_SPREADING = "opentelemetry.sdk.trace.SynchronousMultiSpanProcessor"


def traced(middleware: Any) -> Vetted:
    """Both hooks, where nothing of the project's runs in them."""
    _changed_batching.cache_clear()
    return Vetted(_mode.request, _mode.response)


def traced_view(middleware: Any, method: Callable[..., Any], wrapped: bool) -> VettedView:
    """process_view only adds to the span that process_request left."""
    return VettedView(_mode.response, method)


def traced_apart(middleware: Any) -> Hooks:
    """The two hooks that `__call__` calls."""
    return Hooks(middleware.process_request, middleware.process_response)


def runs_foreign_code() -> str:
    """What of the project's would run in the hooks; for the banner too. Empty when nothing does."""
    module = sys.modules.get(_MIDDLEWARE)
    if module is None:
        return ""
    kind = module._DjangoMiddleware
    if kind._otel_request_hook is not None or kind._otel_response_hook is not None:
        return "a request_hook or response_hook was given to DjangoInstrumentor"
    if kind._traced_request_attrs:
        # "user", for one.
        return "OTEL_PYTHON_DJANGO_TRACED_REQUEST_ATTRS asks the request for anything"
    tracer = kind._tracer
    return _not_batched(getattr(tracer, "_tracer", tracer)) or _not_its_own()


def _not_batched(tracer: Any) -> str:
    """Why starting and ending a span may block."""
    processor = getattr(tracer, "span_processor", None)
    if processor is None:
        # There is no SDK, so no span is recorded.
        return "" if _is_its_own(tracer) else f"{_name(tracer)} is not OpenTelemetry's"
    for one in (processor, *getattr(processor, "_span_processors", ())):
        if _name(one) not in (_BATCHED, _SPREADING):
            return f"{type(one).__qualname__} may export each span where it ends: a BatchSpanProcessor does not"
    for part in (tracer, tracer.sampler, tracer.id_generator):
        if not _is_its_own(part):
            return f"{_name(part)} is not OpenTelemetry's"
    return _changed_batching()


@lru_cache(maxsize=1)
def _changed_batching() -> str:
    """Asked for each request, looked at once a chain."""
    return vetting.verdict([BATCHING])


def _not_its_own() -> str:
    propagate = sys.modules["opentelemetry.propagate"]
    textmap = propagate.get_global_textmap()
    answers = sys.modules["opentelemetry.instrumentation.propagators"].get_global_response_propagator()
    for part in (textmap, *getattr(textmap, "_propagators", ()), answers):
        if part is not None and not _is_its_own(part):
            return f"{_name(part)} is not OpenTelemetry's"
    return ""


def _is_its_own(part: Any) -> bool:
    return type(part).__module__.startswith("opentelemetry.")


def _name(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _nothing_blocks(request: Any) -> bool:
    # The span is named after the route, so the path is tried before Django does.
    return can_try_urls(request) and not runs_foreign_code()


_mode = OneMode(_nothing_blocks)
