"""Middleware of packages: inline when its condition says so, else on a thread, and never I/O on the loop."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

import pytest
from cases import Case
from django.test import override_settings
from loop_guard import guarded
from test_django_builtins import AUTH, SESSION, SIGNED, other_code

from turnout.django import hooks, vetting

BEFORE = "django_prometheus.middleware.PrometheusBeforeMiddleware"
AFTER = "django_prometheus.middleware.PrometheusAfterMiddleware"
POLICY = "csp.middleware.CSPMiddleware"
LIMITED = "csp.contrib.rate_limiting.RateLimitedCSPMiddleware"
FLAGS = "waffle.middleware.WaffleMiddleware"
HIJACK = "hijack.middleware.HijackUserMiddleware"
TRACED = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"
ACCOUNTS = "allauth.account.middleware.AccountMiddleware"

URLS = {"ROOT_URLCONF": "tracks_site.packages"}
SELF = {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {"default-src": ["'self'"], "report-uri": "/reports/"}}}
ALL_ORIGINS = {"CORS_ALLOW_ALL_ORIGINS": True}
WITH_USER = [SESSION, AUTH]


CASES = {
    "counted before": Case([BEFORE], "/answer/", 0),
    "counted after": Case([AFTER], "/answer/", 0),
    "counted, a form": Case([BEFORE, AFTER], "/answer/", 0, method="POST", headers={"Content-Length": "0"}),
    "counted, a stream": Case([BEFORE, AFTER], "/streamed/", 0),
    # For the 404 page; the hooks run on the loop.
    "counted, no view": Case([BEFORE, AFTER], "/nothing/", 1, status=404),
    "policy": Case([POLICY], "/answer/", 0, settings=SELF),
    "policy, none": Case([POLICY], "/answer/", 0),
    "policy, with a nonce": Case([POLICY], "/nonce/", 0, settings=SELF),
    "policy, updated by the view": Case([POLICY], "/decorated/", 0, settings=SELF),
    "policy, made of something lazy": Case([POLICY], "/reporting/", 1, settings=SELF),
    "policy, reports limited": Case([LIMITED], "/answer/", 0, settings=SELF),
    "flags": Case([FLAGS], "/flags/", 0),
    "no flags": Case([FLAGS], "/answer/", 0),
    "hijack, no session": Case([*WITH_USER, HIJACK], "/answer/", 0),
    "hijack, session untouched": Case([*WITH_USER, HIJACK], "/answer/", 0, headers={"Cookie": "sessionid=unknown"}),
    "hijack, user unknown": Case([*WITH_USER, HIJACK], "/touch/", 1, settings=SIGNED),
    "cors": Case([CORS], "/answer/", 0, settings=ALL_ORIGINS, headers={"Origin": "http://other"}),
    "cors, preflight": Case(
        [CORS],
        "/answer/",
        0,
        settings=ALL_ORIGINS,
        method="OPTIONS",
        headers={"Origin": "http://other", "Access-Control-Request-Method": "PUT"},
    ),
    "accounts": Case([*WITH_USER, ACCOUNTS], "/answer/", 0),
    # For the 404 page, which the middleware then redirects away from.
    "accounts, a path above theirs": Case([*WITH_USER, ACCOUNTS], "/accounts/", 1, status=302),
    "accounts, 404": Case([*WITH_USER, ACCOUNTS], "/answer/", 0, query=b"status=404", status=404),
}


HAS_ALLAUTH = importlib.util.find_spec("allauth") is not None


def skip_without_allauth(middleware: str) -> None:
    if middleware.startswith("allauth") and not HAS_ALLAUTH:
        pytest.skip("this allauth needs Python 3.11")


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> None:
    """Nobody reads Django's log of a 404, as in production: pytest's own handler would take a thread for it."""
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)


@pytest.fixture(scope="module", autouse=True)
def installed(database) -> Any:
    """The packages whose middleware imports models."""
    from tracks_site.settings import INSTALLED_APPS

    if not HAS_ALLAUTH:
        yield
        return
    apps = [*INSTALLED_APPS, "allauth", "allauth.account", "allauth.usersessions"]
    # allauth does not start without its middleware.
    with override_settings(MIDDLEWARE=[ACCOUNTS]), override_settings(INSTALLED_APPS=apps):
        importlib.import_module("allauth.account.middleware")
        yield


def settings_of(case: Case) -> dict[str, Any]:
    skip_without_allauth(case.tried)
    return {"MIDDLEWARE": case.middleware, **URLS, **case.settings}


@pytest.mark.parametrize("name", list(CASES))
def test_a_thread_is_taken_when_something_may_block_and_only_then(make, name):
    case = CASES[name]

    async def check(driver):
        with guarded():
            found = await driver.run_async(**case.request)
        assert found.status == case.status, found.text
        assert driver.handler.hops.threads == case.threads

    make(check, settings=settings_of(case))


@pytest.mark.parametrize("name", list(CASES))
def test_the_answers_are_those_of_djangos_own_handler(make, name):
    case = CASES[name]

    async def ask(driver):
        run = driver.run_asgi if driver.handler.compat else driver.run_async
        found = await run(**case.request)
        headers = {name.lower(): value for name, value in found.headers if "nonce" not in value}
        return found.status, headers, "" if "nonce" in case.path else found.body

    ours, theirs = (make(ask, settings=settings_of(case), compat=compat) for compat in (False, True))
    assert ours == theirs


def test_flags_and_tests_become_cookies(make):
    async def check(driver):
        cookies = (await driver.run_async(path="/flags/")).cookies()
        assert cookies == {"dwf_beta": "True", "dwf_old": "False", "dwft_beta": "True"}

    make(check, settings={"MIDDLEWARE": [FLAGS], **URLS})


def test_requests_are_counted_once_on_either_track(make):
    from django_prometheus.middleware import Metrics

    def counted() -> list[float]:
        metrics = Metrics.get_instance()
        counters = (metrics.requests_total, metrics.responses_total, metrics.requests_by_transport.labels("http"))
        return [counter._value.get() for counter in counters]

    async def check(driver):
        before = counted()
        for run in (driver.run_async, driver.run_sync):
            assert (await run(path="/answer/")).status == 200
        assert [now - then for now, then in zip(counted(), before, strict=True)] == [2.0, 2.0, 2.0]

    make(check, settings={"MIDDLEWARE": [BEFORE, AFTER], **URLS})


def test_counters_in_files_are_counted_on_the_thread(make, monkeypatch):
    """PROMETHEUS_MULTIPROC_DIR has maps of files in place of the values in memory."""
    import prometheus_client.values

    monkeypatch.setattr(prometheus_client.values, "ValueClass", type("MmapedValue", (), {}))

    async def check(driver):
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert {(mode, why) for _, mode, why in driver.handler.describe()["middleware"]} == {
            ("hop", "PROMETHEUS_MULTIPROC_DIR keeps the counters in files")
        }

    make(check, settings={"MIDDLEWARE": [BEFORE, AFTER], **URLS})


def test_a_user_that_was_loaded_and_is_nobodys_prey_needs_no_thread(make):
    async def check(driver):
        cookie = (await driver.run_async(path="/touch/")).cookies()["sessionid"]
        before = driver.handler.hops.threads
        driver.handler.hops.cap = 0
        found = await driver.run_async(path="/anyone/", headers=[("Cookie", f"sessionid={cookie}")])
        assert (found.status, found.text, driver.handler.hops.threads) == (200, "False", before)

    make(check, settings={"MIDDLEWARE": [*WITH_USER, HIJACK], **URLS, **SIGNED}, thread_wait=0.01)


def test_a_remote_user_may_have_to_be_loaded_to_be_overwritten(make):
    async def check(driver):
        for headers, threads in (([], 0), ([("Remote-User", "ada")], 0)):
            assert (await driver.run_async(path="/answer/", headers=headers)).status == 200
            assert driver.handler.hops.threads == threads
        source = driver.source
        driver.source = lambda **request: {**source(**request), "REMOTE_USER": "ada"}
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1

    make(check, kind="wsgi", settings={"MIDDLEWARE": [*WITH_USER, HIJACK], **URLS})


@pytest.mark.parametrize(
    ("middleware", "mode", "why"),
    [
        (BEFORE, "inline", "vetted in this version of django_prometheus"),
        (POLICY, "inline", "vetted in this version of csp"),
        (CORS, "native", "async of its own"),
        (ACCOUNTS, "native", "async of its own"),
        ("allauth.usersessions.middleware.UserSessionsMiddleware", "thread", "sync only"),
    ],
)
def test_the_banner_says_how_a_package_runs_and_why(make, middleware, mode, why):
    skip_without_allauth(middleware)

    async def check(driver):
        (found,) = driver.handler.describe()["middleware"]
        assert found[:2] == (middleware, mode)
        assert found[2].startswith(why)

    make(check, settings={"MIDDLEWARE": [middleware], **URLS})


# --- one token changed ---


def inline_case(hook: str) -> Case:
    home = hook.rpartition(".")[0]
    return next(case for case in CASES.values() if case.tried == home and case.threads == 0)


HOOKS = [hook for hook in hooks.PACKAGE_HOOKS if ".process_" in hook and TRACED not in hook]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_differs_by_one_token_is_called_on_the_thread(make, monkeypatch, tmp_path, hook, caplog):
    case = inline_case(hook)
    function = vetting.plain_function(vetting.find(hook))
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))
    monkeypatch.setattr(vetting, "_said", set())

    async def check(driver):
        found = await driver.run_async(**case.request)
        assert (found.status, driver.handler.hops.threads) == (case.status, 1)
        mode, why = driver.handler.describe()["middleware"][-1][1:]
        assert mode == "hop"
        assert why.endswith("is not a function that was vetted")
        lines = [record.message for record in caplog.records if "was vetted" in record.message]
        assert lines == [f"{why}: its middleware uses a thread"]

    make(check, settings=settings_of(case))


def test_a_subclass_that_overrides_a_method_goes_to_the_thread(make):
    async def check(driver):
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert driver.handler.describe()["middleware"][0][1:] == ("hop", "OwnPolicy overrides get_policy_parts")

    make(check, settings={"MIDDLEWARE": ["tracks_site.packages.OwnPolicy"], **URLS, **SELF})
