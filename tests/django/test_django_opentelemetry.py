"""OpenTelemetry's middleware on the async track: on the loop while spans are batched, its two hooks in one Context."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from loop_guard import guarded
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.django.middleware.otel_middleware import _DjangoMiddleware
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from test_django_builtins import AUTH, SECURITY, SESSION, other_code

from turnout.django import vetting

TRACED = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"
URLS = {"ROOT_URLCONF": "tracks_site.packages"}


class OwnSampler(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "own"


class Traces:
    """What was recorded in one test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self._providers: list[TracerProvider] = []

    def instrument(self, processor: type | None = BatchSpanProcessor, sampler: Any = None, **options: Any) -> None:
        """As a project does it, but for the place in MIDDLEWARE, which each test chooses."""
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        if processor is not None:
            provider.add_span_processor(processor(self.exporter))
        self._providers.append(provider)
        DjangoInstrumentor().instrument(tracer_provider=provider, **options)
        DjangoInstrumentor().uninstrument()

    def names(self) -> list[str]:
        for provider in self._providers:
            provider.force_flush()
        return [span.name for span in self.exporter.get_finished_spans()]

    def end(self) -> None:
        for provider in self._providers:
            provider.shutdown()


@pytest.fixture
def traces(caplog) -> Iterator[Traces]:
    """Nothing may be said about tokens of another Context."""
    made = Traces()
    before = dict(vars(_DjangoMiddleware))
    try:
        yield made
    finally:
        made.end()
        for name in ("_tracer", "_meter", "_otel_request_hook", "_otel_response_hook", "_traced_request_attrs"):
            setattr(_DjangoMiddleware, name, before[name])
    assert [record.message for record in caplog.get_records("call") if "detach" in record.message] == []


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)


def mode_of(driver: Any) -> tuple[str, str]:
    return next(found[1:] for found in driver.handler.describe()["middleware"] if found[0] == TRACED)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize(
    "middleware", [[TRACED], [TRACED, SECURITY, SESSION, AUTH], [SECURITY, TRACED, SESSION]], ids=len
)
def test_batched_spans_take_no_thread(make, traces, kind, middleware):
    traces.instrument()

    async def check(driver):
        assert mode_of(driver) == ("inline", "vetted in this version of opentelemetry")
        with guarded():
            assert (await driver.run_async(path="/answer/")).status == 200
            assert (await driver.run_async(path="/streamed/")).body == b"onetwo"
        assert driver.handler.hops.threads == 0
        # The view and its hops see the span of their request.
        assert (await driver.run_async(path="/span/")).text == "GET span/, GET span/"
        assert traces.names() == ["GET answer/", "GET streamed/", "GET span/"]

    make(check, settings={"MIDDLEWARE": middleware, **URLS}, kind=kind)


def test_a_hop_on_the_way_out_stops_in_front_of_the_hook_that_stays(make, traces):
    """The session is saved on a thread, in a Context of its own; the span ends where it was begun."""
    traces.instrument()

    async def check(driver):
        answer = await driver.run_async(path="/touch/")
        assert (answer.status, answer.header("X-Stamp")) == (200, "200")
        assert "sessionid" in answer.cookies()
        assert driver.handler.hops.threads == 1
        assert (await driver.run_async(path="/boom/")).status == 500
        assert traces.names() == ["GET touch/", "GET boom/"]

    make(check, settings={"MIDDLEWARE": ["tracks_site.middleware.Stamping", TRACED, SECURITY, SESSION], **URLS})


def test_a_hop_on_the_way_in_takes_both_hooks_along(make, traces):
    traces.instrument()

    async def check(driver):
        assert (await driver.run_async(path="/span/")).text == "GET span/, GET span/"
        assert (await driver.run_async(path="/touch/")).status == 200
        assert traces.names() == ["GET span/", "GET touch/"]

    make(check, settings={"MIDDLEWARE": ["tracks_site.middleware.Noting", TRACED, SESSION], **URLS})


class OwnProcessor(SpanProcessor):
    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def on_end(self, span: Any) -> None:
        self._exporter.export([span])


def hook(span: Any, *_: Any) -> None:
    """A request_hook or response_hook."""


FOREIGN = {
    "a processor that exports at once": (
        {"processor": SimpleSpanProcessor},
        "SimpleSpanProcessor may export each span",
    ),
    "a processor of the project's": ({"processor": OwnProcessor}, "OwnProcessor may export each span"),
    "a sampler of the project's": ({"sampler": OwnSampler()}, f"{__name__}.OwnSampler is not OpenTelemetry's"),
    "a request hook": ({"request_hook": hook}, "a request_hook or response_hook was given"),
    "a response hook": ({"response_hook": hook}, "a request_hook or response_hook was given"),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_what_may_run_code_of_others_runs_on_the_thread_for_both_hooks(make, traces, name):
    options, why = FOREIGN[name]
    traces.instrument(**options)

    async def check(driver):
        mode, said = mode_of(driver)
        assert mode == "hop"
        assert said.startswith(why)
        assert (await driver.run_async(path="/span/")).text == "GET span/, GET span/"
        assert driver.handler.hops.threads == 1
        assert traces.names() == ["GET span/"]

    make(check, settings={"MIDDLEWARE": [TRACED, SECURITY], **URLS})


def test_attributes_of_the_request_are_asked_for_on_the_thread(make, traces, monkeypatch):
    traces.instrument()
    monkeypatch.setattr(_DjangoMiddleware, "_traced_request_attrs", ["user"])

    async def check(driver):
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert traces.names() == ["GET answer/"]

    make(check, settings={"MIDDLEWARE": [SESSION, AUTH, TRACED], **URLS})


@pytest.mark.parametrize("name", ["__call__", "process_request", "process_response", "process_view"])
def test_a_change_of_one_token_brings_the_thread_back(make, traces, monkeypatch, tmp_path, name, caplog):
    traces.instrument()
    function = vetting.plain_function(vetting.find(f"{TRACED}.{name}"))
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))
    monkeypatch.setattr(vetting, "_said", set())

    async def check(driver):
        mode, why = mode_of(driver)
        assert mode == "thread"
        assert why.startswith(f"{TRACED}.{name} is not a function that was vetted; sync only")
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert len([record for record in caplog.records if "that was vetted" in record.message]) == 1
        assert traces.names() == ["GET answer/"]

    make(check, settings={"MIDDLEWARE": [TRACED], **URLS})


def test_batching_that_differs_by_one_token_is_done_on_the_thread(make, traces, monkeypatch, tmp_path):
    traces.instrument()
    function = vetting.find("opentelemetry.sdk._shared_internal.BatchProcessor.emit")
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))

    async def check(driver):
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert mode_of(driver)[0] == "hop"
        assert traces.names() == ["GET answer/"]

    make(check, settings={"MIDDLEWARE": [TRACED], **URLS})
