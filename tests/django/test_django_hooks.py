"""Where the hooks of middleware run, and that running them inline changes nothing about what they mean."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
from pathlib import Path

import django
import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.signals import request_started
from django.middleware.csrf import CsrfViewMiddleware
from tracks_site import middleware

from turnout.django import hooks

MODES = {
    "SessionMiddleware": "inline",
    "Noting": "hop",
    "LoudSecurity": "hop",
    "ShyCommon": "inline",
    "NativeAsync": "native",
    "function": "native",
    "sync_only": "thread",
}


@pytest.mark.parametrize("name", list(MODES))
def test_the_banner_says_where_hooks_run_and_why(make, name):
    path = (
        f"django.contrib.sessions.middleware.{name}"
        if name == "SessionMiddleware"
        else f"tracks_site.middleware.{name}"
    )

    async def check(driver):
        ((found, mode, why),) = driver.handler.describe()["middleware"]
        assert (found, mode) == (path, MODES[name])
        assert why

    make(check, settings={"MIDDLEWARE": [path]})


def test_unvetted_hooks_run_on_the_requests_thread_in_one_batch(make, with_middleware, events):
    async def check(driver):
        answer = await driver.run_async(path="/async-thread/")
        assert answer.text == "MainThread"
        assert events == ["request turnout-hop-1", "view turnout-hop-1", "response turnout-hop-1"]

    make(check, settings=with_middleware("Noting"))
    events.clear()
    make(check, settings=with_middleware("+Noting"))


@pytest.mark.parametrize("path", ["/async/", "/sync/"])
def test_a_middleware_without_hooks_lives_as_long_as_its_chain(make, with_middleware, events, monkeypatch, path):
    monkeypatch.setattr(request_started, "receivers", list(request_started.receivers))

    async def check(driver):
        gc.collect()
        answer = await (driver.run_async if path == "/async/" else driver.run_sync)(path=path)
        assert (answer.status, set(events)) == (200, {"heard"})

    make(check, settings=with_middleware("Listening"))
    events.clear()
    make(check, settings=with_middleware("+Listening"))


def test_a_subclass_that_overrides_a_method_goes_to_the_thread(make, events):
    async def check(driver):
        await driver.run_async(path="/async/")
        assert events == ["loud turnout-hop-1"]

    make(check, settings={"MIDDLEWARE": ["tracks_site.middleware.LoudSecurity"]})


def test_a_subclass_that_changes_data_only_stays_inline(make):
    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert driver.handler.hops.threads == 0
        assert (await driver.run_async(path="/async")).status == 301

    make(check, settings={"MIDDLEWARE": ["tracks_site.middleware.ShyCommon"]})


@pytest.mark.parametrize(
    ("names", "status", "stamp", "body"),
    [
        (("Stamping", "Answering"), 200, "200", b"answered"),
        (("Answering", "Stamping"), 200, None, b"answered"),
        (("Stamping", "Raising"), 403, "403", None),
        (("Stamping", "RaisingLate"), 500, "500", None),
        (("Stamping", "Raising", "Answering"), 403, "403", None),
        (("+Stamping", "+Raising"), 403, "403", None),
        (("+Raising", "+Stamping"), 403, None, None),
        (("Stamping", "NativeAsync", "Raising"), 403, "403", None),
        (("Stamping", "sync_only", "Raising"), 403, "403", None),
        (("Stamping", "+Answering"), 200, "200", b"answered"),
    ],
)
def test_layers_mean_what_they_mean_in_django(make, with_middleware, names, status, stamp, body):
    async def check(driver):
        for run in (driver.run_async, driver.run_sync, driver.run_asgi):
            answer = await run(path="/async/")
            assert (answer.status, answer.header("X-Stamp")) == (status, stamp), run
            assert body is None or answer.body == body

    make(check, settings=with_middleware(*names))


def test_process_exception_may_answer(make, with_middleware, events):
    async def check(driver):
        for path in ("/boom/", "/sync-boom/"):
            events.clear()
            answer = await driver.run_async(path=path)
            assert (answer.status, answer.body) == (418, b"caught boom")
            assert events == ["caught turnout-hop-1"]

    make(check, settings=with_middleware("Catching"))


def test_process_template_response_is_called(make, with_middleware):
    async def check(driver):
        for run in (driver.run_async, driver.run_sync):
            assert (await run(path="/template/")).text.startswith("Hello middleware")

    make(check, settings=with_middleware("Templating"))


def test_native_async_middleware_runs_on_the_loop(make, with_middleware, events):
    async def check(driver):
        await driver.run_async(path="/async/")
        assert events == ["native MainThread", "function MainThread", "native back MainThread"]
        assert driver.handler.hops.threads == 0

    make(check, settings=with_middleware("NativeAsync", "function"))


def test_sync_only_middleware_keeps_the_thread_and_the_view_stays_on_the_loop(make, with_middleware, events):
    async def check(driver):
        assert (await driver.run_async(path="/async-thread/")).text == "MainThread"
        assert events == ["sync only turnout-hop-1", "sync only back turnout-hop-1"]
        names = json.loads((await driver.run_async(path="/hop/")).body)
        assert names == {"first": "turnout-hop-1", "second": "turnout-hop-1"}

    make(check, settings=with_middleware("sync_only"))


@pytest.mark.parametrize("names", [("Tokens",), ("+Tokens",), ("Tokens", "NativeAsync", "+Noting")])
def test_a_token_of_one_hook_can_be_reset_in_the_other(make, with_middleware, names):
    """Under Django's ASGIHandler: ValueError, the token was created in a different Context."""

    async def check(driver):
        for run in (driver.run_async, driver.run_sync):
            answers = await asyncio.gather(*(run(path=path) for path in ("/context/", "/async/", "/sync/")))
            seen = [answer.header("X-Token") for answer in answers]
            # What the view and its hops set is seen on the way out.
            assert seen == ["/context/ hop", "/async/ unset", "/sync/ unset"]
            assert middleware.token.get() is None

    make(check, settings=with_middleware(*names))


def test_async_only_middleware_puts_every_request_on_the_async_track(make, with_middleware, events):
    async def check(driver):
        assert driver.handler.routes() == [("", 1)]
        assert (await driver.run(path="/sync/")).status == 200
        assert events == ["async only MainThread"]

    make(check, settings=with_middleware("async_only"))


def post(body="name=ada", **headers):
    kinds = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return {"method": "POST", "path": "/form/", "body": body.encode(), "headers": list(kinds.items())}


def test_csrf_checks_run_inline_and_rejections_are_rendered_on_the_thread(make):
    token = "a" * 32

    async def check(driver):
        assert (await driver.run_async(**post())).status == 403
        assert driver.handler.hops.threads == 1
        good = post(f"name=ada&csrfmiddlewaretoken={token}", Cookie=f"csrftoken={token}")
        answer = await driver.run_async(**good)
        assert json.loads(answer.body) == {"posted": "ada", "thread": "MainThread"}
        by_header = {"Cookie": f"csrftoken={token}", "X-CSRFToken": token}
        assert (await driver.run_async(**post(**by_header))).status == 200
        assert (await driver.run_async(**post(**{**by_header, "Origin": "http://evil.example"}))).status == 403

    make(check)


def test_inline_hooks_only_ran_inline_when_nothing_blocks(make):
    """A session that is saved, a message that is stored: the database would raise SynchronousOnlyOperation."""

    async def check(driver):
        assert (await driver.run_async(path="/async-session/")).status == 200
        assert (await driver.run_async(path="/message/")).status == 200

    for settings in (
        {"SESSION_SAVE_EVERY_REQUEST": True},
        {"CSRF_USE_SESSIONS": True},
        {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
        {"MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage"},
        {"MESSAGE_STORAGE": "django.contrib.messages.storage.cookie.CookieStorage"},
    ):
        make(check, settings=settings)


def test_a_replaced_hook_goes_to_the_thread(make, monkeypatch, events):
    def process_request(self, request):
        events.append("patched")
        return original(self, request)

    original = AuthenticationMiddleware.process_request
    monkeypatch.setattr(AuthenticationMiddleware, "process_request", process_request)
    assert "is not the function" in hooks.why_not_class(AuthenticationMiddleware)

    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert events == ["patched"]
        assert driver.handler.hops.threads == 1

    make(check)


def test_a_replaced_helper_sends_its_hook_to_the_thread(monkeypatch):
    monkeypatch.setattr(CsrfViewMiddleware, "_get_secret", lambda self, request: None)
    assert hooks.why_not_class(CsrfViewMiddleware)
    assert hooks.view_hook(CsrfViewMiddleware(lambda request: None).process_view) is None


def test_every_middleware_that_django_ships_has_a_rule():
    """Or is async of its own."""
    own = {
        "django.contrib.auth.middleware.RemoteUserMiddleware",
        "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
    }
    shipped = set()
    root = Path(django.__file__).parent
    for file in [*root.glob("middleware/*.py"), *root.glob("contrib/*/middleware.py")]:
        module = importlib.import_module(".".join(["django", *file.relative_to(root).with_suffix("").parts]))
        shipped |= {
            f"{cls.__module__}.{cls.__qualname__}"
            for cls in vars(module).values()
            if isinstance(cls, type) and cls.__module__ == module.__name__ and hasattr(cls, "async_capable")
        }
    assert len(shipped) > 15
    assert {name.rpartition(".")[0] for name in hooks.HOOKS if ".process_" in name} >= shipped - own
    assert hooks.vetted(middleware.Noting(lambda request: None)) is None
