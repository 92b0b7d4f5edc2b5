"""The WSGI entry point with OpenTelemetry's Django package."""

from django.core.wsgi import get_wsgi_application

from tracks_site import otel_asgi

application = get_wsgi_application()
exporter = otel_asgi.exporter
