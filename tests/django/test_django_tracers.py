"""Sentry's and OpenTelemetry's Django packages over the real server: one transaction a request, no data of others."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import serve
from tracks_site import settings

SITE = Path(__file__).parent
COUNT = 50
HELLO = (SITE / "tracks_site" / "templates" / "hello.html").read_text()
MIDDLEWARE = [settings.MIDDLEWARE[0], "whitenoise.middleware.WhiteNoiseMiddleware", *settings.MIDDLEWARE[1:]]
# What the tests below ask for besides.
OURS = ("/plain/", "/static/hello.html")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def ask(serving, kind):
    """COUNT requests of both tracks and both outcomes at once."""
    paths = [f"{kind}/{n}/" for n in range(COUNT)]
    with ThreadPoolExecutor(COUNT) as pool:
        return list(pool.map(lambda path: get(f"{serving.url}/{path}"), paths))


def takes_no_thread(serving):
    """Whether an async request whose view and middleware do not block found no hop thread at all."""
    for _ in range(3):
        names = json.loads(get(f"{serving.url}/plain/")[1])
    return not any(name.startswith("turnout-hop") for name in names)


def timed_layers(transactions):
    """How often each middleware has a span around it, in the first transaction of a view that does not block."""
    plain = next(event for event in transactions if event["transaction"] == "/plain/")
    names = [span["description"] for span in plain["spans"] if span["op"] == "middleware.django"]
    return Counter(name.removesuffix(".__acall__") for name in names if name.endswith(".__acall__"))


def environment(tool, **more):
    return {
        "TRACED_BY": tool,
        "DJANGO_SETTINGS_MODULE": "tracks_site.traced_settings",
        "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")]),
        **more,
    }


@pytest.mark.parametrize("entry", ["asgi", "wsgi"])
def test_sentry_has_one_transaction_a_request(tmp_path, entry):
    told = tmp_path / "events"
    env = environment("sentry", SENTRY_FILE=str(told))
    with serve([f"tracks_site.{entry}:application"], cwd=SITE, env=env) as serving:
        assert "native path off" in serving.log
        if entry == "asgi":
            # Seen through Sentry's wrappers, the hooks of the middleware still take no thread, WhiteNoise's among them.
            assert takes_no_thread(serving)
        assert get(f"{serving.url}/static/hello.html") == (200, HELLO)
        for kind in ("async", "sync"):
            assert ask(serving, kind) == [(200, str(n)) for n in range(COUNT)]
        for kind in ("async-error", "sync-error"):
            assert {status for status, _ in ask(serving, kind)} == {500}
        serving.stop()
    events = [json.loads(line) for line in told.read_text().splitlines()]
    transactions = [
        event for event in events if event["type"] == "transaction" and not event["transaction"].endswith(OURS)
    ]
    names = Counter(event["transaction"] for event in transactions)
    kinds = ("async", "sync", "async-error", "sync-error")
    assert names == {f"/{kind}/{{n}}/": COUNT for kind in kinds}
    for event in transactions:
        n = event["tags"]["n"]
        assert event["request"]["url"].endswith(f"/{n}/")
        assert event["user"]["id"] == n
        crumbs = [crumb["message"] for crumb in event.get("breadcrumbs", {}).get("values", []) if crumb.get("message")]
        assert all(crumb.startswith(f"{n} ") for crumb in crumbs if "after sleeping" in crumb or "in a hop" in crumb)
    errors = [event for event in events if event["type"] == "event"]
    assert len(errors) == 2 * COUNT
    for event in errors:
        value = event["exception"]["values"][-1]["value"]
        assert value.split()[1] == event["tags"]["n"] == event["user"]["id"]
        assert event["transaction"] in ("/async-error/{n}/", "/sync-error/{n}/")


@pytest.mark.parametrize("entry", ["asgi", "wsgi"])
def test_opentelemetry_has_one_span_a_request(entry):
    with serve([f"tracks_site.otel_{entry}:application"], cwd=SITE, env=environment("otel")) as serving:
        if entry == "asgi":
            # Sync only as it is, its middleware would hold one a request.
            assert takes_no_thread(serving)
        assert get(f"{serving.url}/static/hello.html") == (200, HELLO)
        for kind in ("async", "sync"):
            assert ask(serving, kind) == [(200, str(n)) for n in range(COUNT)]
        for kind in ("async-error", "sync-error"):
            assert {status for status, _ in ask(serving, kind)} == {500}
        spans = json.loads(get(f"{serving.url}/seen/")[1])
        assert "Failed to detach context" not in serving.log
    # A static file is answered below OpenTelemetry too; it has no route.
    assert [span["name"] for span in spans].count("GET") == 1
    spans = [span for span in spans if span["name"] not in ("GET", "GET plain/")]
    names = Counter(span["name"] for span in spans)
    assert names == {f"GET {kind}/<int:n>/": COUNT for kind in ("async", "sync", "async-error", "sync-error")}
    for span in spans:
        n = span["attributes"]["n"]
        url = (
            span["attributes"].get("http.url")
            or span["attributes"].get("url.path")
            or span["attributes"]["http.target"]
        )
        assert url.endswith(f"/{n}/")
        assert all(event.startswith(f"{n} ") for event in span["events"] if "sleeping" in event or "hop" in event)
