"""Spans of OpenTelemetry's instrumentation say where the time of their requests went, on each track."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Serving, serve
from wire import get

SITE = Path(__file__).resolve().parents[1] / "projects" / "states_site"
STATES = ["turnout.processing_ms", "turnout.waiting_cpu_ms", "turnout.waiting_io_ms"]
PARTS = {
    "run_queue": "turnout.waiting_cpu.run_queue_ms",
    "gil": "turnout.waiting_cpu.gil_ms",
    "loop_queue": "turnout.waiting_cpu.loop_queue_ms",
    "no_thread_cpu": "turnout.waiting_cpu.no_thread_ms",
    "no_thread_io": "turnout.waiting_io.no_thread_ms",
    "client": "turnout.waiting_io.client_ms",
}


def traced(application: str, *args: str, **environment: str) -> Iterator[Serving]:
    path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
    with serve([f"states_traced:{application}", *args], cwd=SITE, env={"PYTHONPATH": path, **environment}) as serving:
        yield serving


def attributes(site: Serving, view: str, kind: str = "SERVER") -> dict:
    """Those of the one span of that kind of the view's request. One around the application ends a little later."""
    until = time.monotonic() + 20
    while True:
        spans = json.loads(get(site.url, "/spans/").body)
        found = [told for name, of, told in spans if of == kind and name.rstrip("/").endswith(view)]
        if found:
            [told] = found
            return told
        assert time.monotonic() < until, spans


def check(site: Serving, view: str, kind: str = "SERVER") -> None:
    """What the span says is what the view was told, and what came until the span was told."""
    body = json.loads(get(site.url, f"/{view}/").body)
    told = attributes(site, view, kind)
    of_turnout = [name for name in told if name.startswith("turnout.")]
    assert of_turnout[:3] == STATES
    cpu = body["run_queue"] + body["gil"] + body["loop_queue"] + body["no_thread_cpu"]
    io = body["no_thread_io"] + body["client"] + body["io"]
    of_view = dict(zip(STATES, (body["processing"], cpu, io), strict=True))
    of_span = {name: told[name] / 1000 for name in STATES}
    # The span was told later. What a call on a thread ran beside of the loop is settled when it is over, so a single
    # state may have lost a little to another by then.
    assert sum(of_span.values()) >= sum(of_view.values()) - 3e-6, (told, body)
    assert max(of_span, key=of_span.__getitem__) == max(of_view, key=of_view.__getitem__), (told, body)
    for part, name in PARTS.items():
        assert name in told or body[part] < 1e-6, (part, told, body)
    for kind_of_call, seconds in body.get("waits", {}).items():
        assert told[f"turnout.call.{kind_of_call}_ms"] == pytest.approx(seconds * 1000, abs=0.002)
    assert all(name in (*STATES, *PARTS.values()) or name.startswith("turnout.call.") for name in of_turnout)


@pytest.fixture(scope="module", params=["asgi", "wsgi", "asgi-simple"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    application, _, special = request.param.partition("-")
    environment = {"STATES_DATABASE": str(tmp_path_factory.mktemp("states") / "kept.sqlite3")}
    if special == "simple":
        environment["STATES_SIMPLE"] = "1"
    yield from traced(application, **environment)


@pytest.mark.parametrize("view", ["waits", "sleeps", "hops", "queries"])
def test_the_span_of_django_s_middleware_has_the_states(site, view):
    check(site, view)


@pytest.fixture(scope="module")
def around() -> Iterator[Serving]:
    yield from traced("around")


@pytest.mark.parametrize("view", ["waits", "sleeps", "hops"])
def test_so_has_a_span_around_the_application(around, view):
    check(around, view)


def test_a_view_that_fails_has_its_states_too(around):
    assert get(around.url, "/fails/").status == 500
    assert set(STATES) <= set(attributes(around, "fails"))


def test_both_spans_are_told_where_there_are_two(around):
    check(around, "computes")
    server = attributes(around, "computes")
    django = attributes(around, "computes", "INTERNAL")
    # The outer one is told later.
    assert server["turnout.processing_ms"] >= django["turnout.processing_ms"] >= 30


def test_nothing_is_told_where_nothing_is_known():
    for site in traced("asgi", "--accounting", "off"):
        get(site.url, "/waits/")
        assert [name for name in attributes(site, "waits") if name.startswith("turnout.")] == []


def test_a_span_that_is_not_recorded_costs_no_reading():
    for site in traced("asgi", STATES_UNSAMPLED="1"):
        assert get(site.url, "/waits/").status == 200
        assert json.loads(get(site.url, "/spans/").body) == []
