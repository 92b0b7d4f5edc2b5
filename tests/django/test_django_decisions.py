"""Which track a request takes, and that a wrong guess costs time only."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.handlers.base import BaseHandler
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from tracks_site import middleware, views
from tracks_site.settings import MIDDLEWARE

from turnout.django.decisions import LEARNED_MAX
from turnout.django.deferral import middleware_deferred
from turnout.django.routes import ASYNC, SYNC

HOST = "testserver"


class Urls:
    """A ROOT_URLCONF of a test's own: a URLconf may be any object with urlpatterns."""

    def __init__(self, *entries):
        self.urlpatterns = list(entries)


def test_the_view_decides_and_a_missing_page_wants_a_thread(make):
    async def check(driver):
        decide = driver.handler.decide
        assert decide("/async/", HOST) == (ASYNC, True, "async/")
        assert decide("/sync/", HOST) == (SYNC, True, "sync/")
        assert decide("/none/", HOST) == (SYNC, False, "")

    make(check)


def test_only_hosts_of_the_project_are_remembered(make):
    async def check(driver):
        assert driver.handler.decide("/async/", "shop.example") == (ASYNC, True, "async/")
        assert driver.handler.decide("/async/", "evil.example") == (ASYNC, False, "async/")
        assert driver.handler.decide("/async/", None) == (ASYNC, False, "async/")

    make(check, settings={"ALLOWED_HOSTS": ["shop.example"]})


def test_both_chains_run_both_kinds_of_view(make):
    async def check(driver):
        for run in (driver.run_async, driver.run_sync):
            assert json.loads((await run(path="/async/")).body)["track"] == "async"
            assert json.loads((await run(path="/sync/")).body)["track"] == "sync"
        assert driver.handler.decisions.mistaken == 2

    make(check)


def test_a_urlconf_set_by_middleware_is_learned(make, with_middleware):
    async def check(driver):
        handler = driver.handler
        assert handler.routes() == [(None, SYNC)]
        assert any("may change the URLconf" in note for note in handler.describe()["notes"])
        # The URLconf the middleware sets has the two views the other way round.
        assert handler.decide("/async/", HOST) == (ASYNC, False, "async/")
        assert json.loads((await driver.run(path="/async/")).body)["track"] == "sync"
        assert handler.decide("/async/", HOST) == (SYNC, True, "async/")
        assert json.loads((await driver.run(path="/async/")).body)["thread"].startswith("turnout-sync")

    make(check, settings=with_middleware("Rerouting"))


def test_what_is_learned_holds_for_the_route_and_is_bounded(make):
    async def check(driver):
        decisions = driver.handler.decisions
        request = SimpleNamespace(META={"HTTP_HOST": HOST, "PATH_INFO": "/hop/1/"})
        assert decisions.decide("/hop/2/", HOST)[0] == ASYNC
        decisions.verify(request, False)
        assert decisions.decide("/hop/2/", HOST) == (SYNC, True, "hop/<int:n>/")
        for n in range(3 * LEARNED_MAX):
            request.META["HTTP_HOST"] = f"host{n}"
            decisions.verify(request, False)
            assert len(decisions._learned) <= LEARNED_MAX

    make(check)


def test_language_prefixes_are_resolved_as_the_path_says(make):
    urls = Urls(*i18n_patterns(path("page/", views.async_json)), path("plain/", views.sync_json))

    async def check(driver):
        assert (None, SYNC) not in driver.handler.routes()
        assert driver.handler.decide("/de/page/", HOST) == (ASYNC, True, "de/page/")
        assert driver.handler.decide("/en/page/", HOST) == (ASYNC, True, "en/page/")
        assert driver.handler.decide("/plain/", HOST) == (SYNC, True, "plain/")
        answer = await driver.run_async(path="/de/page/")
        assert answer.status == 200

    languages = {"LANGUAGE_CODE": "en", "LANGUAGES": [("en", "English"), ("de", "German")]}
    middleware = ["django.middleware.locale.LocaleMiddleware"]
    make(check, settings={"ROOT_URLCONF": urls, "MIDDLEWARE": middleware, "USE_I18N": True, **languages})


def test_nothing_of_the_projects_runs_to_decide_a_track(make):
    from django.urls import register_converter
    from django.urls.converters import REGISTERED_CONVERTERS, StringConverter, get_converters
    from tracks_site.models import Item

    asked = []

    class ItemConverter(StringConverter):
        def to_python(self, value):
            asked.append(views.thread())
            return Item.objects.filter(name=value).first() or value

    register_converter(ItemConverter, "item")
    urls = Urls(path("<item:item>/", lambda request, item: views.sync_json(request)))

    async def check(driver):
        assert driver.handler.decide("/thing/", HOST) == (SYNC, True, "<item:item>/")
        assert asked == []
        assert (await driver.run(path="/thing/")).status == 200
        assert [name.rstrip("_0123456789") for name in asked] == ["turnout-sync"]

    try:
        make(check, settings={"ROOT_URLCONF": urls})
    finally:
        del REGISTERED_CONVERTERS["item"]
        get_converters.cache_clear()


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_one_request_class_on_both_tracks(make, kind):
    async def check(driver):
        assert driver.handler.describe()["request_kind"] == kind
        seen = [json.loads((await run(path="/echo/")).body)["meta"] for run in (driver.run_async, driver.run_sync)]
        assert seen[0] == seen[1]
        assert seen[0]["REQUEST_METHOD"] == "GET"

    make(check, kind=kind)


def test_only_the_chains_that_are_needed_are_made(make):
    async def check_sync(driver):
        assert driver.handler.chains == ["sync"]
        assert (await driver.run_async(path="/s/")).status == 200
        assert driver.handler.chains == ["sync", "async"]

    async def check_async(driver):
        assert driver.handler.chains == ["async"]
        assert (await driver.run(path="/nowhere/")).status == 404
        assert driver.handler.chains == ["sync", "async"]

    make(check_sync, settings={"ROOT_URLCONF": Urls(path("s/", views.sync_json))})
    make(check_async, settings={"ROOT_URLCONF": Urls(path("a/", views.async_json))})


def test_the_entry_modules_own_handler_makes_no_middleware(make):
    from django.core.asgi import get_asgi_application

    made = []

    class Counted(MiddlewareMixin):
        def __init__(self, get_response):
            made.append(self)
            super().__init__(get_response)

    middleware.Counted = Counted
    settings = {"MIDDLEWARE": ["tracks_site.middleware.Counted"]}
    load = BaseHandler.load_middleware
    with override_settings(**settings), middleware_deferred():
        application = get_asgi_application()
    assert made == []
    assert BaseHandler.load_middleware is load

    async def check(driver):
        assert len(made) == 2
        assert (await driver.run_async(path="/async/")).status == 200
        # Somebody may still call it directly.
        request = RequestFactory().get("/async/")
        assert (await application.get_response_async(request)).status_code == 200
        assert len(made) == 3

    make(check, application=application, settings=settings)


def test_the_banner_counts_views(make):
    async def check(driver):
        facts = driver.handler.describe()
        assert (facts["views_sync"], facts["views_async"]) == (1, 1)
        assert len(facts["middleware"]) == 7
        assert {mode for _, mode, _ in facts["middleware"]} == {"inline"}
        assert any("two chains" in note for note in facts["notes"])

    make(check, settings={"ROOT_URLCONF": Urls(path("a/", views.async_json), path("s/", views.sync_json))})


@pytest.mark.parametrize(("kind", "meta"), [("asgi", "HTTP_REMOTE_USER"), ("wsgi", "REMOTE_USER")])
def test_a_remote_user_is_the_same_on_both_tracks(make, kind, meta):
    """Django's two halves of RemoteUserMiddleware read different keys; a deployment must read one."""
    from django.contrib.auth.models import User

    User.objects.get_or_create(username="ada")
    middleware = [*MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"]
    backends = ["django.contrib.auth.backends.RemoteUserBackend"]

    async def check(driver):
        async def user(run, cookies):
            real = driver.source

            def source(**request):
                made = real(**request)
                if kind == "wsgi":
                    made["REMOTE_USER"] = "ada"
                return made

            driver.source = source
            headers = [("Remote-User", "ada" if kind == "asgi" else "mallory"), *cookies]
            answer = await run(path="/who/", headers=headers)
            driver.source = real
            return json.loads(answer.body)["user"], answer.cookies()

        name, cookies = await user(driver.run_async, [])
        assert name == "ada"
        session = [("Cookie", f"sessionid={cookies['sessionid']}")]
        for run in (driver.run_sync, driver.run_async, driver.run_sync):
            name, cookies = await user(run, session)
            assert name == "ada"
            assert "sessionid" not in cookies
        assert (await user(driver.run_sync, []))[0] == "ada"

    make(check, kind=kind, settings={"MIDDLEWARE": middleware, "AUTHENTICATION_BACKENDS": backends})
