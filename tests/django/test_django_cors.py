"""django-cors-headers behind turnout's own sockets: on the async track, the sync track and the step-aside path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from corsheaders.signals import check_request_enabled
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from wire import Answer, Client, get

from turnout.testing import LiveServer

HERE, ELSEWHERE = "https://here.example", "https://elsewhere.example:8443"
MODES = ("async", "sync", "hybrid")
ALLOW = "Access-Control-Allow-"


class Site:
    """A project with the middleware in front, and a view that the mode's chain runs."""

    def __init__(self, url: str, path: str) -> None:
        self.url = url
        self.path = path

    def get(self, origin: str = HERE, query: str = "", path: str = "", **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return get(self.url, (path or self.path) + query, headers={"Origin": origin, **headers})

    def preflight(self, origin: str = HERE, method: str = "PUT", path: str = "", **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Origin": origin, "Access-Control-Request-Method": method}
        return get(self.url, path or self.path, method="OPTIONS", headers=headers)


@pytest.fixture(params=MODES)
def site(request) -> Any:
    """`site(CORS_…=…)`: the project in this mode with such settings, while it is in use."""

    @contextmanager
    def serve(**settings: Any) -> Iterator[Site]:
        from tracks_site.settings import MIDDLEWARE

        settings.setdefault("CORS_ALLOWED_ORIGINS", [HERE])
        middleware = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
        settings |= {"MIDDLEWARE": middleware, "ROOT_URLCONF": "tracks_site.packages"}
        shipped = ASGIHandler.__call__

        async def wrapper(self: Any, scope: Any, receive: Any, send: Any) -> None:
            await shipped(self, scope, receive, send)

        replaced = wrapper if request.param == "hybrid" else shipped
        with override_settings(**settings), mock.patch.object(ASGIHandler, "__call__", replaced):
            application = WSGIHandler() if request.param == "sync" else ASGIHandler()
            with LiveServer(application, threads=2) as server:
                yield Site(server.url, "/on-thread/" if request.param == "sync" else "/answer/")

    serve.mode = request.param
    return serve


def cors(answer: Answer) -> dict[str, str]:
    """The headers that the middleware sets, by the end of their names."""
    prefix = "access-control-"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}


def test_a_known_origin_is_named_and_others_are_not(site):
    with site(CORS_EXPOSE_HEADERS=["X-One", "X-Two"]) as project:
        found = project.get()
        assert found.status == 200
        assert cors(found) == {"allow-origin": HERE, "expose-headers": "X-One, X-Two"}
        for other in (ELSEWHERE, HERE.replace("https", "http"), f"{HERE}:8443", "http://[", "null"):
            assert cors(project.get(other)) == {}, other
            assert "origin" in project.get(other).headers["Vary"]
        assert cors(get(project.url, project.path)) == {}


def test_every_origin_may_be_allowed_and_is_named_with_credentials(site):
    with site(CORS_ALLOW_ALL_ORIGINS=True) as project:
        assert cors(project.get(ELSEWHERE)) == {"allow-origin": "*"}
    with site(CORS_ALLOW_ALL_ORIGINS=True, CORS_ALLOW_CREDENTIALS=True) as project:
        assert cors(project.get(ELSEWHERE)) == {"allow-origin": ELSEWHERE, "allow-credentials": "true"}


def test_origins_by_pattern_and_null(site):
    patterns = [r"^https://\w+\.example:8443$"]
    with site(CORS_ALLOWED_ORIGIN_REGEXES=patterns, CORS_ALLOWED_ORIGINS=["null"]) as project:
        assert cors(project.get(ELSEWHERE)) == {"allow-origin": ELSEWHERE}
        assert cors(project.get("null")) == {"allow-origin": "null"}
        assert cors(project.get(HERE)) == {}


def test_a_preflight_is_answered_in_front_of_the_view(site):
    with site(CORS_ALLOW_HEADERS=["x-own"], CORS_ALLOW_METHODS=["GET", "PUT"]) as project:
        found = project.preflight(Access_Control_Request_Headers="x-own")
        assert (found.status, found.body, found.headers["Content-Length"]) == (200, b"", "0")
        assert cors(found) == {
            "allow-origin": HERE,
            "allow-headers": "x-own",
            "allow-methods": "GET, PUT",
            "max-age": "86400",
        }
        assert "origin" in found.headers["Vary"]
        # So it is for a path without a view, and for an origin that is not allowed, which hears nothing.
        assert project.preflight(path="/nothing/").status == 200
        refused = project.preflight(ELSEWHERE)
        assert (refused.status, cors(refused)) == (200, {})
        # Not a preflight: the view is asked.
        plain = get(project.url, project.path, method="OPTIONS", headers={"Origin": HERE})
        assert cors(plain)["allow-methods"] == "GET, PUT"
    with site(CORS_PREFLIGHT_MAX_AGE=0) as project:
        assert "max-age" not in cors(project.preflight())


def test_only_paths_that_match_are_touched(site):
    with site(CORS_URLS_REGEX=r"^/api/") as project:
        found = project.get()
        assert (found.status, cors(found)) == (200, {})
        assert "origin" not in (found.headers["Vary"] or "")
        assert project.preflight(path="/nothing/").status == 404
        assert cors(project.preflight(path="/api/nothing/"))["allow-origin"] == HERE


def test_vary_is_added_to(site):
    with site() as project:
        answer = project.get(path="/answer/", query="?Vary=Cookie")
        assert [name.strip() for name in answer.headers["Vary"].split(",")] == ["Cookie", "origin"]


def test_errors_have_the_headers_too(site):
    with site() as project:
        for path, status in (("/boom/", 500), ("/nothing/", 404)):
            found = project.get(path=path)
            assert (found.status, cors(found)) == (status, {"allow-origin": HERE})


def test_private_networks_are_allowed_where_they_are_asked_for(site):
    with site(CORS_ALLOW_PRIVATE_NETWORK=True) as project:
        asked = project.preflight(Access_Control_Request_Private_Network="true")
        assert cors(asked)["allow-private-network"] == "true"
        assert "allow-private-network" not in cors(project.preflight())
    with site() as project:
        asked = project.preflight(Access_Control_Request_Private_Network="true")
        assert "allow-private-network" not in cors(asked)


def test_a_receiver_may_allow_what_the_settings_do_not(site):
    asked: list[str] = []

    def allow(sender: Any, request: Any, **kwargs: Any) -> bool:
        asked.append(request.path)
        return request.path != "/nothing/"

    check_request_enabled.connect(allow)
    try:
        with site(CORS_ALLOWED_ORIGINS=[]) as project:
            assert cors(project.get()) == {"allow-origin": HERE}
            assert cors(project.get(path="/nothing/")) == {}
            assert asked == [project.path, "/nothing/"]
    finally:
        check_request_enabled.disconnect(allow)


def test_it_holds_no_thread(site):
    """Many requests and preflights on one connection, and no hop thread was started for any on the loop."""
    with site() as project:
        client = Client(project.url)
        for _ in range(10):
            assert client.call(project.path, headers={"Origin": HERE}).headers[f"{ALLOW}Origin"] == HERE
            headers = {"Origin": HERE, "Access-Control-Request-Method": "PUT"}
            assert client.call(project.path, "OPTIONS", headers=headers).status == 200
        client.close()
        hops = [thread.name for thread in threading.enumerate() if thread.name.startswith("turnout-hop")]
        assert hops == []
