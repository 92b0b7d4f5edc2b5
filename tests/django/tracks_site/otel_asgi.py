"""The ASGI entry point with OpenTelemetry's Django package."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracks_site.traced_settings")

from django.core.asgi import get_asgi_application
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)
DjangoInstrumentor().instrument()
application = get_asgi_application()
