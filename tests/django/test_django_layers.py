"""A run of layers means what Django's own chain means, wherever each hook runs, and hops once on each way."""

from __future__ import annotations

import io
import itertools

import pytest
from asgiref.sync import ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler
from django_driver import scope
from tracks_site import middleware

from turnout.django import hooks
from turnout.django.hooks.verdicts import Vetted, VettedView
from turnout.django.hops import RequestThread

STACK = [middleware.Acting0, middleware.Acting1, middleware.Acting2]
SETTINGS = {"MIDDLEWARE": [f"tracks_site.middleware.{cls.__name__}" for cls in STACK]}
DEEDS = [
    "- - -",
    *(
        f"{layer} {hook} {deed}"
        for layer in range(3)
        for hook in ("request", "view", "response")
        for deed in ("answer", "refuse", "fail")
    ),
]


@pytest.fixture
def inline(monkeypatch):
    """Choose which layers of the stack count as vetted."""
    chosen: set[type] = set()
    monkeypatch.setattr(hooks, "vetted", lambda layer: Vetted(True, True) if type(layer) in chosen else None)
    monkeypatch.setattr(
        hooks,
        "view_hook",
        lambda method: VettedView(True, method) if type(getattr(method, "__self__", None)) in chosen else None,
    )
    return chosen


async def djangos_own(request):
    """Through the chain as Django makes it."""
    handler = ASGIHandler()
    async with ThreadSensitiveContext():
        made, _ = handler.create_request(scope(**request), io.BytesIO())
        response = await handler.get_response_async(made)
    return response.status_code


@pytest.mark.parametrize("pattern", list(itertools.product((False, True), repeat=3)), ids=str)
@pytest.mark.parametrize("path", ["/async/", "/boom/", "/sync/"])
def test_every_deed_of_every_hook_has_djangos_outcome(make, inline, events, pattern, path):
    inline |= {cls for cls, chosen in zip(STACK, pattern, strict=True) if chosen}

    async def check(driver):
        for deed in DEEDS:
            request = {"path": path, "headers": [("X-Do", deed)]}
            events.clear()
            expected = await djangos_own(request)
            wanted = list(events)
            events.clear()
            found = await driver.run_async(**request)
            assert (found.status, events) == (expected, wanted), deed

    make(check, settings=SETTINGS)


@pytest.mark.parametrize(
    ("pattern", "calls"),
    [
        # The way in, the view hooks, the way out; the end has nothing to do.
        ((False, False, False), 3),
        ((False, True, True), 3),
        ((True, False, True), 3),
        # From the innermost outwards, only the last hook of each way must hop.
        ((True, True, False), 3),
        ((True, True, True), 0),
    ],
)
def test_hooks_that_hop_go_together(make, inline, monkeypatch, pattern, calls):
    inline |= {cls for cls, chosen in zip(STACK, pattern, strict=True) if chosen}
    submitted = []
    submit = RequestThread.submit
    monkeypatch.setattr(
        RequestThread, "submit", lambda thread, *call, **more: (submitted.append(1), submit(thread, *call, **more))[1]
    )

    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert len(submitted) == calls

    make(check, settings=SETTINGS)
