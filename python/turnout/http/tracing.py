"""OpenTelemetry's current span, in a program that has loaded it: what makes the upstream's spans its children."""

from __future__ import annotations


def fields() -> dict[str, str]:
    """The headers of the program's own propagator; none outside of any span."""
    from opentelemetry import propagate, trace

    if not trace.get_current_span().get_span_context().is_valid:
        return {}
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier
