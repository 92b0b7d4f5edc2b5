"""What turnout remembers from one request to the next in Django's place, and that nobody can tell."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.contrib import messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http import request as http_request
from django.test import RequestFactory
from django.test.utils import override_settings
from django.urls import path, re_path
from django.urls.converters import StringConverter
from django.utils.functional import LazyObject

from turnout.django import shortcuts, vetting

seen: list[Any] = []


async def look(request: HttpRequest, **kwargs: object) -> JsonResponse:
    match = request.resolver_match
    seen.append(match)
    match.kwargs["left"] = "behind"
    return JsonResponse({"route": match.route, "view": match.view_name, "given": kwargs, "host": request.get_host()})


def look_sync(request: HttpRequest, **kwargs: object) -> JsonResponse:
    seen.append(request.resolver_match)
    return JsonResponse({"route": request.resolver_match.route})


async def say(request: HttpRequest) -> HttpResponse:
    messages.info(request, "remember this")
    return HttpResponse(type(request._messages).__qualname__)


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(", ".join(str(message) for message in messages.get_messages(request)))


@pytest.fixture
def urlconf(monkeypatch: pytest.MonkeyPatch) -> str:
    seen.clear()
    module = ModuleType("shortcuts_urls")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("look/", look, name="look"),
        path("look/<int:number>/", look),
        path("look-sync/", look_sync),
        path("given/", look, {"option": 1}),
        path("say/", say),
        path("read/", read),
    ]
    monkeypatch.setitem(sys.modules, "shortcuts_urls", module)
    return "shortcuts_urls"


def test_every_request_has_a_match_of_its_own(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        seen.clear()
        answers = [await driver.run_async(path="/look/") for _ in range(3)]
        assert {answer.text for answer in answers} == {answers[0].text}
        assert '"view": "look", "given": {}' in answers[0].text
        assert len({id(match) for match in seen}) == 3
        assert [match.kwargs for match in seen] == [{"left": "behind"}] * 3
        assert all(match.func is look for match in seen)
        for _ in range(2):
            assert (await driver.run_sync(path="/look-sync/")).text == '{"route": "look-sync/"}'
        assert seen[-1] is not seen[-2]

    make(check, settings={"ROOT_URLCONF": urlconf})
    make(check, settings={"ROOT_URLCONF": urlconf}, kind="wsgi")


def test_what_a_path_carries_is_never_remembered(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        for number in (1, 2, 1):
            assert f'"given": {{"number": {number}}}' in (await driver.run_async(path=f"/look/{number}/")).text
        for _ in range(2):
            assert '"given": {"option": 1}' in (await driver.run_async(path="/given/")).text
            assert (await driver.run_async(path="/look/x/")).status == 404

    make(check, settings={"ROOT_URLCONF": urlconf})


class Fickle(StringConverter):
    """What matches changes from one request to the next."""

    takes = True

    def to_python(self, value: str) -> str:
        if not Fickle.takes:
            raise ValueError
        return value


def test_a_converter_of_the_projects_own_is_asked_each_time(
    make: Any, urlconf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.urls import converters

    monkeypatch.setitem(converters.REGISTERED_CONVERTERS, "fickle", Fickle())
    converters.get_converters.cache_clear()
    module = sys.modules[urlconf]
    module.urlpatterns = [path("<fickle:word>/", read), path("look/", look)]  # type: ignore[attr-defined]

    async def check(driver: Any) -> None:
        Fickle.takes = False
        assert '"route": "look/"' in (await driver.run_async(path="/look/")).text
        Fickle.takes = True
        # The first pattern now: its view takes no argument, which is an error.
        assert (await driver.run_async(path="/look/")).status == 500

    try:
        make(check, settings={"ROOT_URLCONF": urlconf})
    finally:
        converters.get_converters.cache_clear()


def test_another_urlconf_is_another_memory(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        assert (await driver.run_async(path="/look/")).status == 200
        with override_settings(ROOT_URLCONF="tracks_site.urls"):
            assert (await driver.run_async(path="/look/")).status == 404
            assert (await driver.run_async(path="/async/")).status == 200
        assert (await driver.run_async(path="/look/")).status == 200

    make(check, settings={"ROOT_URLCONF": urlconf})


def test_the_memory_of_paths_is_bounded(make: Any, urlconf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_PATHS", 2)
    sys.modules[urlconf].urlpatterns.append(re_path(r"^any/", look))  # type: ignore[attr-defined]

    async def check(driver: Any) -> None:
        for number in range(5):
            assert (await driver.run_async(path=f"/any/{number}")).status == 200
        _, matches = driver.handler.async_serving().handler._remembered
        assert len(matches) == 2

    make(check, settings={"ROOT_URLCONF": urlconf})


def test_which_hosts_are_allowed_is_asked_each_time(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        async def status(host: str) -> int:
            return (await driver.run_async(path="/look/", headers=[("X-Forwarded-Host", host)])).status

        assert [await status(host) for host in ("one.example", "ONE.example:80", "two.example")] == [200, 200, 400]
        with override_settings(ALLOWED_HOSTS=["two.example"]):
            assert [await status(host) for host in ("one.example", "two.example")] == [400, 200]
        assert await status("not a host") == 400

    make(check, settings={"ROOT_URLCONF": urlconf, "ALLOWED_HOSTS": ["one.example"], "USE_X_FORWARDED_HOST": True})


def test_messages_are_kept_from_one_request_to_the_next(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        said = await driver.run_async(path="/say/")
        assert said.text == "FallbackStorage"
        cookie = "; ".join(f"{name}={value}" for name, value in said.cookies().items())
        answer = await driver.run_sync(path="/read/", headers=[("Cookie", cookie)])
        assert answer.text == "remember this"
        assert answer.cookies()["messages"] == '""'

    make(check, settings={"ROOT_URLCONF": urlconf})


def test_a_storage_without_a_session_is_refused_as_ever() -> None:
    shortcuts.install()
    with pytest.raises(ImproperlyConfigured):
        FallbackStorage(RequestFactory().get("/"))


def test_a_storage_of_the_projects_own_is_made_as_ever() -> None:
    shortcuts.install()

    class Own(FallbackStorage):
        storage_classes = (FallbackStorage.storage_classes[0],)

    assert [type(storage) for storage in Own(RequestFactory().get("/")).__dict__["storages"]] == [*Own.storage_classes]


def test_settings_are_the_ones_of_the_moment() -> None:
    shortcuts.install()
    assert LazySettings.__getattribute__ is object.__getattribute__
    before = settings.APPEND_SLASH
    with override_settings(APPEND_SLASH=not before):
        assert settings.APPEND_SLASH is not before
    assert settings.APPEND_SLASH is before
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = settings.NO_SUCH
    assert str(settings) == settings.__str__()
    assert "DEBUG" in dir(settings)


def _other(self: Any, name: str) -> Any:
    return object.__getattribute__(self, name)


def test_what_somebody_changed_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortcut for a function that is not the vetted one is not taken."""
    monkeypatch.delattr(LazySettings, "__getattribute__", raising=False)
    monkeypatch.setattr(LazyObject, "__getattribute__", _other)
    monkeypatch.setattr(http_request, "split_domain_port", lambda host: (host, ""))
    shortcuts.install()
    assert "__getattribute__" not in LazySettings.__dict__
    assert not hasattr(http_request.split_domain_port, "cache_info")


def test_the_verdict_looks_behind_what_stands_in() -> None:
    shortcuts.install()
    assert vetting.unvetted(["django.contrib.messages.middleware.MessageMiddleware.process_request"]) == ""
    assert vetting.unvetted(list(shortcuts.FUNCTIONS)) == ""


def test_requests_at_once_do_not_share_a_match(make: Any, urlconf: str) -> None:
    async def check(driver: Any) -> None:
        await asyncio.gather(*(driver.run_async(path="/look/") for _ in range(20)))
        assert len({id(match.kwargs) for match in seen}) == 20

    make(check, settings={"ROOT_URLCONF": urlconf})
