"""Every built-in middleware: inline when its condition says so, else on a thread, and never I/O on the loop."""

from __future__ import annotations

import inspect
import logging
import textwrap
import threading
import types
from typing import Any

import pytest
from cases import Case
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.flatpages.models import FlatPage
from django.contrib.redirects.models import Redirect
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sites.models import Site
from django.core.cache import caches
from django.middleware import common
from django.urls import converters, path
from django.utils.translation import trans_real
from loop_guard import guarded
from tracks_site import engine, urls, views

from turnout.django import hooks, lifecycle, vetting

SECURITY = "django.middleware.security.SecurityMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
BROKEN = "django.middleware.common.BrokenLinkEmailsMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
XFRAME = "django.middleware.clickjacking.XFrameOptionsMiddleware"
CSP = "django.middleware.csp.ContentSecurityPolicyMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
CACHE = "django.middleware.cache.CacheMiddleware"
SITE = "django.contrib.sites.middleware.CurrentSiteMiddleware"
FLATPAGE = "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware"
REDIRECT = "django.contrib.redirects.middleware.RedirectFallbackMiddleware"
XVIEW = "django.contrib.admindocs.middleware.XViewMiddleware"

SIGNED = {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}
IN_COOKIES = {"MESSAGE_STORAGE": "django.contrib.messages.storage.cookie.CookieStorage"}
FEW = {"LANGUAGES": [("de", "German"), ("en", "English")]}
PREFIXED = {**FEW, "ROOT_URLCONF": "tracks_site.languages"}
USER = ("django.contrib.auth.models",)
GZIPS = {"Accept-Encoding": "gzip, br"}
WITHOUT_SITES = {"INSTALLED_APPS": [app for app in django_settings.INSTALLED_APPS if app in USER or "auth" in app]}
TOKEN = "a" * 32
TOKENS = {"Cookie": f"csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **TOKENS}


def cache(backend: str, **more: Any) -> dict[str, Any]:
    return {"CACHES": {"default": {"BACKEND": f"django.core.cache.backends.{backend}", **more}}}


LOCAL = cache("locmem.LocMemCache")
DUMMY = cache("dummy.DummyCache")
FILES = cache("filebased.FileBasedCache", LOCATION="/nonexistent-is-never-made")


def answer(middleware: list[str], threads: int, query: str = "", **more: Any) -> Case:
    return Case(middleware, "/answer/", threads, query=query.encode(), **more)


WITH_USER = [SESSION, AUTH]
CASES = {
    "security": answer([SECURITY], 0),
    "session untouched": answer([SESSION], 0),
    "session untouched, every request saved": answer([SESSION], 0, settings={"SESSION_SAVE_EVERY_REQUEST": True}),
    "session to save": Case([SESSION], "/touch/", 1),
    "session to save in a cookie": Case([SESSION], "/touch/", 0, settings=SIGNED),
    "session of another engine": answer([SESSION], 1, settings={"SESSION_ENGINE": "tracks_site.engine"}),
    "common": answer([COMMON], 0),
    "common, 404": answer([COMMON], 0, "status=404", status=404),
    # For the 404 page that comes before it; the hook itself runs on the loop.
    "common, slash to append": Case([COMMON], "/async", 1, status=301),
    "common, www to prepend": answer([COMMON], 0, settings={"PREPEND_WWW": True}, status=301),
    "broken link, 200": answer([BROKEN], 0),
    "broken link, 404": answer([BROKEN], 1, "status=404", status=404, headers={"Referer": "http://testserver/x/"}),
    "broken link, 404 while debugging": answer([BROKEN], 0, "status=404", status=404, settings={"DEBUG": True}),
    "csrf, safe": answer([CSRF], 0),
    "csrf, token in the header": Case([CSRF], "/answer/", 0, method="PUT", headers=TOKENS),
    "csrf, small form": Case([CSRF], "/form/", 0, method="POST", headers=FORM, body=b"name=ada"),
    "csrf, large form": Case([CSRF], "/form/", 1, method="POST", headers=FORM, body=b"name=" + b"a" * 20_000),
    "csrf, multipart": Case(
        [CSRF],
        "/form/",
        1,
        method="POST",
        body=b"--b--",
        headers={**TOKENS, "Content-Type": "multipart/form-data; boundary=b"},
    ),
    "csrf, no token": Case([CSRF], "/form/", 1, method="POST", body=b"name=ada", status=403),
    "csrf in a session, none yet": answer([SESSION, CSRF], 0, settings={"CSRF_USE_SESSIONS": True}),
    "csrf in a session to load": answer(
        [SESSION, CSRF], 1, settings={"CSRF_USE_SESSIONS": True}, headers={"Cookie": "known"}
    ),
    "authentication": answer(WITH_USER, 0),
    "login required, nobody": answer([*WITH_USER, LOGIN], 0, status=302),
    "login required, somebody": answer([*WITH_USER, LOGIN], 1, headers={"Cookie": "known"}),
    "login required, cookies forged": answer(
        [*WITH_USER, LOGIN], 0, settings=SIGNED, headers={"Cookie": "known"}, status=302
    ),
    "login required, not for this view": Case([*WITH_USER, LOGIN], "/open/", 0),
    "messages untouched": answer([SESSION, MESSAGES], 0),
    "messages to store": Case([SESSION, MESSAGES], "/message/", 1),
    "messages to store in a cookie": Case([SESSION, MESSAGES], "/message/", 0, settings=IN_COOKIES),
    "frame options": answer([XFRAME], 0),
    "policy": answer([CSP], 0, settings={"SECURE_CSP": {"default-src": ["'self'"]}}),
    "language at hand": answer([LOCALE], 0, settings=FEW, headers={"Accept-Language": "de"}),
    "language to load": answer([LOCALE], 1, headers={"Accept-Language": "cy"}),
    "language in the path": Case([LOCALE], "/de/async/", 0, settings=PREFIXED),
    "language missing in the path": Case([LOCALE], "/answer/", 0, settings=PREFIXED, query=b"status=404", status=404),
    "small body": answer([GZIP], 0, "size=1000", headers=GZIPS),
    "large body": answer([GZIP], 1, "size=20000", headers=GZIPS),
    "large body, no gzip wanted": answer([GZIP], 0, "size=20000"),
    "large body, encoded already": answer([GZIP], 0, "size=20000&Content-Encoding=br", headers=GZIPS),
    "large stream": answer([GZIP], 0, "size=20000&streamed=1", headers=GZIPS),
    "small tag": answer([CONDITIONAL], 0, "size=1000"),
    "large tag": answer([CONDITIONAL], 1, "size=300000"),
    "large, tagged already": answer([CONDITIONAL], 0, "size=300000&ETag=%22a%22"),
    "large, not to be stored": answer([CONDITIONAL], 1, "size=300000&Cache-Control=no-store"),
    "large, not a GET": answer([CONDITIONAL], 0, "size=300000", method="PUT"),
    "not modified": answer([CONDITIONAL], 0, "ETag=%22a%22", headers={"If-None-Match": '"a"'}, status=304),
    "precondition failed": answer([CONDITIONAL], 0, "ETag=%22a%22", headers={"If-Match": '"b"'}, status=412),
    "read from memory": answer([FETCH], 0, settings=LOCAL),
    "read from nowhere": answer([FETCH], 0, settings=DUMMY),
    "read from files": answer([FETCH], 1, settings=FILES),
    "nothing to read for a PUT": answer([FETCH], 0, settings=FILES, method="PUT"),
    "read with keys of the project's own": answer(
        [FETCH], 1, settings=cache("locmem.LocMemCache", KEY_FUNCTION="tracks_site.engine.key")
    ),
    "stored in memory": answer([UPDATE, FETCH], 1, settings=LOCAL, about=UPDATE),
    "stored nowhere": answer([UPDATE, FETCH], 0, settings=DUMMY, about=UPDATE),
    "not stored, PUT": answer([UPDATE, FETCH], 0, settings=FILES, method="PUT", about=UPDATE),
    "not stored, private": answer([UPDATE, FETCH], 0, "Cache-Control=private", settings=LOCAL, about=UPDATE),
    "stored, quoted private": answer(
        [UPDATE, FETCH], 1, "Cache-Control=x=%22,private,%22", settings=LOCAL, about=UPDATE
    ),
    "not stored, cookie": answer([UPDATE, FETCH], 0, "cookie=1&Vary=Cookie", settings=LOCAL, about=UPDATE),
    "not stored, 500": answer([UPDATE, FETCH], 0, "status=500", settings=LOCAL, status=500, about=UPDATE),
    "not stored, stream": answer([UPDATE, FETCH], 0, "streamed=1", settings=LOCAL, about=UPDATE),
    "both caches, nowhere": answer([CACHE], 0, settings=DUMMY),
    "both caches, memory": answer([CACHE], 1, settings=LOCAL),
    "both caches, files, PUT": answer([CACHE], 0, settings=FILES, method="PUT"),
    "site by id": answer([SITE], 1, settings={"SITE_ID": 1}),
    "site by host": answer([SITE], 1),
    "site without the app": answer([SITE], 0, settings=WITHOUT_SITES),
    "site of a forbidden host": answer([SITE], 1, settings={"ALLOWED_HOSTS": ["other"]}, status=400),
    "flat page, 200": answer([FLATPAGE], 0),
    "flat page, 404": answer([FLATPAGE], 1, "status=404", settings={"SITE_ID": 1}),
    "redirect, 200": answer([REDIRECT], 0),
    "redirect, 404": answer([REDIRECT], 1, "status=404", settings={"SITE_ID": 1}, status=301),
    "x-view, GET": answer([*WITH_USER, XVIEW], 0),
    "x-view, HEAD from inside": answer([*WITH_USER, XVIEW], 0, method="HEAD", settings={"INTERNAL_IPS": ["127.0.0.1"]}),
    "x-view, HEAD from elsewhere": answer([*WITH_USER, XVIEW], 1, method="HEAD"),
}


@pytest.fixture(scope="module", autouse=True)
def rows(database) -> str:
    """A user with a session, a flat page and a redirect."""
    user = User.objects.get_or_create(username="ada")[0]
    site = Site.objects.get(pk=1)
    Site.objects.get_or_create(domain="testserver", name="t")
    page = FlatPage.objects.get_or_create(url="/answer/", title="t", content="flat")[0]
    page.sites.add(site)
    Redirect.objects.get_or_create(site=site, old_path="/answer/?status=404", new_path="/elsewhere/")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> None:
    """Nobody reads Django's log of a 404, as in production: pytest's own handler would take a thread for it."""
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("django.security"), "disabled", True)
    caches["default"].clear()
    Site.objects.clear_cache()
    trans_real._translations.pop("cy", None)


def sent(case: Case, cookie: str) -> dict[str, Any]:
    request = case.request
    request["headers"] = [(name, cookie if value == "known" else value) for name, value in request["headers"]]
    return request


def settings_of(case: Case) -> dict[str, Any]:
    if any(vetting.find(name) is None for name in case.middleware):
        pytest.skip("this Django has no such middleware")
    return {"MIDDLEWARE": case.middleware, **case.settings}


@pytest.mark.parametrize("name", list(CASES))
def test_a_thread_is_taken_when_something_may_block_and_only_then(make, name, rows):
    case = CASES[name]

    async def check(driver):
        with guarded():
            found = await driver.run_async(**sent(case, rows))
        assert found.status == case.status, found.text
        assert driver.handler.hops.threads == case.threads

    make(check, settings=settings_of(case))


def test_what_was_read_once_needs_no_thread_again(make, rows):
    """A site, and a language that is none of the few loaded at the start."""

    async def check(driver):
        with guarded():
            first = await driver.run_async(path="/answer/", headers=[("Accept-Language", "cy")])
            assert (first.header("Content-Language"), driver.handler.hops.threads) == ("cy", 1)
            driver.handler.hops.cap = 0
            again = await driver.run_async(path="/answer/", headers=[("Accept-Language", "cy")])
            assert (again.status, again.header("Content-Language")) == (200, "cy")

    make(check, settings={"MIDDLEWARE": [SITE, LOCALE]}, thread_wait=0.01)


def test_the_answers_are_those_of_the_middleware(make, rows):
    """Inline or not: the same headers and bodies that the sync chain gives."""

    async def check(driver):
        for case in (here for here in CASES.values() if here.settings == settings):
            if any(vetting.find(name) is None for name in case.middleware):
                continue
            ours, theirs = await driver.run_async(**sent(case, rows)), await driver.run_sync(**sent(case, rows))
            assert ours.status == theirs.status
            # The length goes with a time or a token in it.
            assert [name for name, _ in ours.headers] == [name for name, _ in theirs.headers], case
            assert (
                theirs.status >= 400
                or case.path == "/form/"
                or len(ours.body) == pytest.approx(len(theirs.body), abs=110)
            )

    settings: dict[str, Any] = {}
    for middleware in sorted({tuple(case.middleware) for case in CASES.values() if not case.settings}):
        if all(vetting.find(name) is not None for name in middleware):
            make(check, settings={"MIDDLEWARE": list(middleware)})


def test_a_broken_link_is_mailed_from_the_thread(make, monkeypatch):
    senders = []
    monkeypatch.setattr(common, "mail_managers", lambda *_, **__: senders.append(threading.current_thread().name))

    async def check(driver):
        await driver.run_async(**CASES["broken link, 404"].request)

    make(check, settings={"MIDDLEWARE": [BROKEN]})
    assert senders == ["turnout-hop-1"]


def test_own_path_converters_take_404s_to_the_thread(make, monkeypatch):
    class Lookup(converters.StringConverter):
        pass

    monkeypatch.setitem(converters.REGISTERED_CONVERTERS, "lookup", Lookup())
    converters.get_converters.cache_clear()
    urls.urlpatterns.append(path("<lookup:row>/row/", views.async_json))

    async def check(driver):
        with guarded():
            await driver.run_async(path="/answer/")
            assert driver.handler.hops.threads == 0
            await driver.run_async(path="/answer/", query=b"status=404")
            assert driver.handler.hops.threads == 1

    try:
        for middleware in (COMMON, LOCALE):
            make(check, settings={"MIDDLEWARE": [middleware]})
    finally:
        urls.urlpatterns.pop()
        monkeypatch.undo()
        converters.get_converters.cache_clear()


def test_a_cache_with_a_connection_is_closed_on_the_thread_by_requests_that_used_it(make):
    engine.closed_by.clear()

    async def check(driver):
        await driver.run_async(path="/answer/")
        assert (driver.handler.hops.threads, engine.closed_by) == (0, [])
        await driver.run_async(path="/peek/")
        assert engine.closed_by == ["turnout-hop-1"]

    make(check, settings={"MIDDLEWARE": [], "CACHES": {"default": {"BACKEND": "tracks_site.engine.Connected"}}})


@pytest.mark.parametrize("name", ["RemoteUserMiddleware", "PersistentRemoteUserMiddleware"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_remote_users_are_asked_for_by_the_middleware_itself(make, rows, name, kind):
    """Under ASGI it awaits what may block; under WSGI its sync half runs on the thread, except in Django 6.1."""
    middleware = [*WITH_USER, f"django.contrib.auth.middleware.{name}"]
    backends = ["django.contrib.auth.backends.RemoteUserBackend"]
    hops = kind == "wsgi" and vetting.release() < "6.1"

    async def check(driver):
        with guarded():
            nobody = await driver.run_async(path="/answer/")
            assert (nobody.status, driver.handler.hops.threads) == (200, int(hops))
            # What a client may send is the server's word under ASGI only.
            named = await driver.run_async(path="/who/", headers=[("Remote-User", "ada")])
            assert ("ada" in named.text) == (kind == "asgi")

    make(check, kind=kind, settings={"MIDDLEWARE": middleware, "AUTHENTICATION_BACKENDS": backends})


@pytest.mark.parametrize(
    ("middleware", "settings", "reason"),
    [
        (SESSION, {"SESSION_ENGINE": "tracks_site.engine"}, "SESSION_ENGINE tracks_site.engine is not Django's"),
        (MESSAGES, {"MESSAGE_STORAGE": "tracks_site.engine.Storage"}, "MESSAGE_STORAGE"),
        (FETCH, FILES, "the cache 'default' is not in this process's memory"),
        (LOGIN, {}, ""),
        (XVIEW, {}, ""),
        (SITE, {}, ""),
        (UPDATE, {}, ""),
    ],
)
def test_the_banner_says_what_in_the_settings_takes_threads(make, middleware, settings, reason):
    async def check(driver):
        ((_, mode, why),) = driver.handler.describe()["middleware"]
        assert mode == ("hop" if reason else "inline")
        assert why.startswith(reason or "vetted for Django")

    make(
        check, settings={"MIDDLEWARE": [middleware], **settings}, **({"compat": True} if middleware == MESSAGES else {})
    )


# --- one token changed ---


def other_code(function: types.FunctionType, tmp_path) -> types.CodeType:
    """The function's own source with one statement more, compiled from a file."""
    lines = textwrap.dedent(inspect.getsource(function.__code__)).splitlines()
    statement = next(node for node in vetting.ast.parse("\n".join(lines)).body[0].body)
    first = statement.lineno - 1
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    lines.insert(first, f"{indent}changed = 1")
    file = tmp_path / "changed.py"
    file.write_text("\n".join(lines))
    code = next(c for c in compile(file.read_text(), str(file), "exec").co_consts if isinstance(c, types.CodeType))
    return code.replace(co_freevars=function.__code__.co_freevars)


def inline_case(hook: str) -> Case:
    """A request for which the hook runs on the loop as long as it is Django's."""
    home = hook.rpartition(".")[0]
    return next(case for case in CASES.values() if case.tried == home and case.threads == 0 and case.settings != SIGNED)


HOOKS = [hook for hook in hooks.HOOKS if ".process_" in hook and vetting.find(hook) is not None]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_differs_by_one_token_is_called_on_the_thread(make, monkeypatch, tmp_path, rows, hook):
    case = inline_case(hook)
    function = vetting.plain_function(vetting.find(hook))
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))

    async def check(driver):
        found = await driver.run_async(**sent(case, rows))
        assert (found.status, driver.handler.hops.threads) == (case.status, 1)
        ((mode, why),) = [
            (mode, why) for name, mode, why in driver.handler.describe()["middleware"] if name == case.tried
        ]
        assert mode == "hop"
        assert "is not the function that was vetted" in why

    make(check, settings=settings_of(case))


@pytest.mark.parametrize("name", hooks.LIFECYCLE)
def test_a_receiver_that_differs_by_one_token_is_called_on_the_thread(make, monkeypatch, tmp_path, name):
    function = vetting.plain_function(vetting.find(name))
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))
    lifecycle.knows_receivers.cache_clear()

    async def check(driver):
        found = await driver.run_async(path="/answer/")
        assert (found.status, driver.handler.hops.threads) == (200, 1)

    try:
        make(check, settings={"MIDDLEWARE": []})
    finally:
        lifecycle.knows_receivers.cache_clear()
