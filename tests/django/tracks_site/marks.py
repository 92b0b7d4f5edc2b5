"""What a view tells whichever tool is installed, and what the tool has recorded."""

import json
import os

TOOL = os.environ.get("TRACED_BY")


def mark(n):
    if TOOL == "sentry":
        import sentry_sdk

        sentry_sdk.set_tag("n", str(n))
        sentry_sdk.set_user({"id": str(n)})
    else:
        from opentelemetry import trace

        trace.get_current_span().set_attribute("n", n)


def note(n, text):
    if TOOL == "sentry":
        import sentry_sdk

        sentry_sdk.add_breadcrumb(message=f"{n} {text}")
    else:
        from opentelemetry import trace

        trace.get_current_span().add_event(f"{n} {text}")


def seen():
    if TOOL == "sentry":
        with open(os.environ["SENTRY_FILE"]) as file:
            return [json.loads(line) for line in file]
    from tracks_site.otel_asgi import exporter, provider

    provider.force_flush()
    return [
        {"name": span.name, "attributes": dict(span.attributes), "events": [event.name for event in span.events]}
        for span in exporter.get_finished_spans()
    ]
