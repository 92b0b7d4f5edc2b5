"""The same project, traced by OpenTelemetry. Spans are kept in memory; `/spans/` tells them."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "states_settings")

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

exporter = InMemorySpanExporter()
provider = TracerProvider(sampler=ALWAYS_OFF if os.environ.get("STATES_UNSAMPLED") else ALWAYS_ON)
# One that exports each span where it ends may block: the middleware's hooks run on a thread then.
provider.add_span_processor(
    SimpleSpanProcessor(exporter) if os.environ.get("STATES_SIMPLE") else BatchSpanProcessor(exporter)
)
if not os.environ.get("STATES_AROUND_ONLY"):
    DjangoInstrumentor().instrument(tracer_provider=provider)

asgi = get_asgi_application()
wsgi = get_wsgi_application()
around = OpenTelemetryMiddleware(get_asgi_application(), tracer_provider=provider)


def finished():
    """Kind and attributes of the spans that have ended, by name."""
    provider.force_flush()
    return [[span.name, span.kind.name, dict(span.attributes)] for span in exporter.get_finished_spans()]
