"""OpenTelemetry: the span of a request says where its time went, where the project traces its requests.

Nothing is loaded for this, and nothing is asked of a request unless OpenTelemetry's own instrumentation has made its
span. The span of its Django middleware is told on the way out, just before that ends it (`before_it_ends`,
`told_inside`); one that an instrumentation around the application has made, when the response is ready (`tell`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction

from turnout.incoming import current_scope
from turnout.times import Times

_API = "opentelemetry.trace"
_MIDDLEWARE = "opentelemetry.instrumentation.django.middleware.otel_middleware"


def ends_a_span(middleware: Any) -> bool:
    """Whether that is OpenTelemetry's Django middleware, or comes from it."""
    return any(kind.__module__ == _MIDDLEWARE for kind in type(middleware).__mro__)


def before_it_ends(process_response: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A hook that ends the current span: the span is told first."""

    def process(request: Any, response: Any) -> Any:
        tell()
        return process_response(request, response)

    return process


def told_inside(middleware: Any) -> None:
    """The same for such a middleware where it is called whole: what it calls tells the span at its end."""
    if not ends_a_span(middleware):
        return
    found = middleware.get_response
    if iscoroutinefunction(found):

        async def aget_response(request: Any) -> Any:
            response = await found(request)
            tell()
            return response

        middleware.get_response = aget_response
        return

    def get_response(request: Any) -> Any:
        response = found(request)
        tell()
        return response

    middleware.get_response = get_response


def tell() -> None:
    """Give the current span, if it is recorded, what the time of the current request went into so far."""
    trace = sys.modules.get(_API)
    accounted = current_scope.get()
    if trace is None or accounted is None:
        return
    span = trace.get_current_span()
    if not span.is_recording():
        return
    times = accounted.times
    if times is not None:
        span.set_attributes(attributes(times, accounted.waits))


def attributes(times: Times, waits: dict[str, float]) -> dict[str, float]:
    """The three states always, and what there was of their parts, in milliseconds.

    Attributes have no unit beside them, so their names say it; a name is never the namespace of others.
    """
    parts = {
        "waiting_cpu.run_queue": times.run_queue,
        "waiting_cpu.gil": times.gil,
        "waiting_cpu.loop_queue": times.loop_queue,
        "waiting_cpu.no_thread": times.no_thread_cpu,
        "waiting_io.no_thread": times.no_thread_io,
        "waiting_io.client": times.client,
        **{f"call.{kind}": seconds for kind, seconds in waits.items()},
    }
    told = {
        "processing": times.processing,
        "waiting_cpu": times.waiting_for_cpu,
        "waiting_io": times.waiting_for_io,
        # Whole microseconds are kept of each; less is nothing.
        **{name: seconds for name, seconds in parts.items() if seconds >= 0.5e-6},
    }
    return {f"turnout.{name}_ms": round(seconds * 1000, 3) for name, seconds in told.items()}
