"""Which track each kind of route takes, over the server: by the URLconf, by what was learned, through wrappers.

`chain` is the thread that entered the middleware: the loop's, "MainThread", on the async track, one of the pool's on
the sync one. `view` is the thread of the view.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness import Serving, serve
from wire import Client, Later, get

SITE = Path(__file__).parent
KINDS = ["asgi", "wsgi"]


@pytest.fixture(scope="module")
def start() -> Iterator[Any]:
    """Servers of dispatch_site, each started when first asked for."""
    with ExitStack() as stack:
        started: dict[Any, Serving] = {}

        def server(app: str, *options: str, **env: str) -> Serving:
            key = (app, options, tuple(env.items()))
            if key not in started:
                path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
                env = {"PYTHONPATH": path, **env}
                app = app if ":" in app else f"dispatch_site.{app}:application"
                started[key] = stack.enter_context(serve([app, *options, "--drain", "1s"], cwd=SITE, env=env))
            return started[key]

        yield server


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """With one group, "ada"."""
    path = str(tmp_path_factory.mktemp("dispatch") / "db.sqlite3")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE auth_group (id integer PRIMARY KEY, name varchar(150) NOT NULL)")
        connection.execute("INSERT INTO auth_group (name) VALUES ('ada')")
    return path


@pytest.fixture(params=KINDS)
def server(request, start, database) -> Serving:
    return start(request.param, DISPATCH_DB=database)


def reply(server: Serving, path: str, host: str = "testserver", **headers: str) -> SimpleNamespace:
    answer = get(server.url, path, headers={"Host": host, **headers})
    assert answer.status == 200, (path, answer.status, answer.body)
    assert answer.headers["X-Early"] == "False"
    return SimpleNamespace(**json.loads(answer.body))


def on_async_track(seen: SimpleNamespace) -> bool:
    return seen.chain == "MainThread"


def on_sync_track(seen: SimpleNamespace) -> bool:
    return seen.chain.startswith("turnout-sync-") and (seen.view == seen.chain or seen.kind == "async")


# --- the URLconf decides ---


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "async"),
        ("/sync/", "sync"),
        ("/async/", "async"),
        ("/class/sync/", "sync"),
        ("/class/async/", "async"),
        ("/item/12/", "async"),
        ("/item/twelve/", "sync"),
        ("/old/2001/", "sync"),
        ("/in/rome/sync/", "sync"),
        ("/in/rome/async/", "async"),
        ("/hopping/", "async"),
    ],
)
def test_the_view_of_the_route_decides(server, path, kind):
    seen = reply(server, path)
    assert seen.kind == kind
    assert on_async_track(seen) if kind == "async" else on_sync_track(seen)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_method_takes_the_track_of_the_class(server, method, kind):
    answer = get(server.url, f"/class/{kind}/", method=method, headers={"Host": "testserver"})
    assert answer.status == {"HEAD": 200, "OPTIONS": 200, "DELETE": 405}[method]
    assert (answer.headers["X-Chain"] == "MainThread") == (kind == "async")


LOCALE = json.dumps(["django.middleware.locale.LocaleMiddleware"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "de", "pt-br"])
def test_a_language_in_front_changes_nothing(start, kind, language):
    server = start(kind, DISPATCH_MIDDLEWARE=LOCALE)
    # The browser's own language is another one.
    wishes = {"Accept-Language": "de" if language == "en" else "en"}
    assert on_async_track(reply(server, f"/{language}/page/", **wishes))
    assert on_sync_track(reply(server, f"/{language}/sheet/", **wishes))
    assert on_async_track(reply(server, f"/{language}/about/", **wishes))
    missing = get(server.url, f"/{language}/nothing/", headers={"Host": "testserver"})
    assert (missing.status, missing.text[:26]) == (404, "no such page, on turnout-s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_nobody_has_leads_nowhere(start, kind):
    server = start(kind, DISPATCH_MIDDLEWARE=LOCALE)
    assert get(server.url, "/xx/page/", headers={"Host": "testserver"}).status == 404


@pytest.mark.parametrize("kind", KINDS)
def test_below_a_prefix_the_url_is_what_the_prefix_leaves(start, kind):
    forced = start(kind, DISPATCH_FORCED="/site")
    taken = start(kind, "--root-path", "/site", "--root-path-kept")
    servers = [(taken, "/site")]
    # WSGI takes nothing off the path for FORCE_SCRIPT_NAME.
    servers.append((forced, "/site" if kind == "asgi" else ""))
    for server, prefix in servers:
        assert on_async_track(reply(server, f"{prefix}/item/1/"))
        assert on_sync_track(reply(server, f"{prefix}/item/one/"))


# --- converters of the project's own ---


def test_a_converter_that_asks_the_database_is_asked_on_a_thread_only(server):
    for path in ("/group/ada/", "/group/nobody/", "/async-group/ada/", "/async-group/nobody/"):
        seen = reply(server, path)
        assert seen.n == (1 if "ada" in path else 0)
        assert seen.kind == ("async" if "async" in path else "sync")
        # The view decides the track all the same.
        assert on_async_track(seen) if seen.kind == "async" else on_sync_track(seen)
        assert seen.asked.startswith("turnout-hop-" if seen.kind == "async" else "turnout-sync-")
    missing = get(server.url, "/group/a/b/", headers={"Host": "testserver"})
    assert missing.status == 404
    threads = {re.sub(r"\d+$", "", name) for name in json.loads(get(server.url, "/asked/").body)}
    assert threads == {"turnout-hop-", "turnout-sync-"}


def test_a_converter_that_refuses_what_its_pattern_matches_costs_a_hop(server):
    for n in range(6):
        seen = reply(server, f"/parity/{n}/")
        assert (seen.n, seen.kind) == (n, "sync" if n % 2 else "async")
    # By its pattern both are one route, so neither kind of view may hold a thread while the other waits.
    for n in range(6):
        assert on_async_track(reply(server, f"/parity/{n}/"))


# --- what middleware changes, and what is learned of it ---


def settle(server: Serving, path: str, host: str, wanted: Any, **headers: str) -> None:
    """A first request finds out; the second takes the right track."""
    reply(server, path, host, **headers)
    seen = reply(server, path, host, **headers)
    assert wanted(seen), (path, seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("module", ["rerouting", "hidden"])
def test_a_urlconf_of_the_host_is_learned(start, kind, module):
    server = start(kind, DISPATCH_MIDDLEWARE=json.dumps([f"dispatch_site.{module}.ByHost"]))
    shop = "shop.example"
    # The same paths are views of the other kind there.
    settle(server, "/async/", shop, on_sync_track)
    settle(server, "/sync/", shop, on_async_track)
    settle(server, "/async/", "www.example", on_async_track)
    settle(server, "/sync/", "www.example", on_sync_track)
    # Paths that the project's own URLconf has not: by now it is known whose they are, parameters and all.
    for n in range(3):
        assert on_async_track(reply(server, f"/cart/{n}/", shop))
        assert on_sync_track(reply(server, f"/goods/{n}/", shop))
    assert get(server.url, "/cart/1/", headers={"Host": "www.example"}).status == 404


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_that_middleware_rewrites_is_learned(start, kind):
    server = start(kind, DISPATCH_MIDDLEWARE=json.dumps(["dispatch_site.rerouting.ByPath"]))
    settle(server, "/tenant/async/", "testserver", on_async_track)
    settle(server, "/tenant/sync/", "testserver", on_sync_track)
    settle(server, "/sync/", "testserver", on_sync_track)
    settle(server, "/async/", "testserver", on_async_track)


@pytest.mark.parametrize("kind", KINDS)
def test_a_route_that_is_now_this_and_now_that_stays_on_the_loop(start, kind):
    server = start(kind, DISPATCH_MIDDLEWARE=json.dumps(["dispatch_site.rerouting.ByWhim"]))
    for whim in [{}, {"X-Shop": "1"}] * 4:
        seen = reply(server, "/async/", **whim)
        assert seen.kind == ("sync" if whim else "async")
    # Neither kind of view holds a thread while the other one waits.
    assert on_async_track(reply(server, "/async/"))
    assert on_async_track(reply(server, "/async/", **{"X-Shop": "1"}))


@pytest.mark.parametrize("kind", KINDS)
def test_middleware_that_is_async_only_takes_every_request_to_the_loop(start, kind):
    server = start(kind, DISPATCH_MIDDLEWARE=json.dumps(["dispatch_site.middleware.only_async"]))
    for path, view in (("/async/", "MainThread"), ("/sync/", "turnout-hop-")):
        seen = reply(server, path)
        assert on_async_track(seen)
        assert seen.view.startswith(view)
    assert get(server.url, "/nothing/", headers={"Host": "testserver"}).status == 404


def test_hosts_that_are_not_the_projects_teach_nothing(start):
    server = start("asgi", DISPATCH_MIDDLEWARE=json.dumps(["dispatch_site.rerouting.ByHost"]))
    with closing(Client(server.url)) as client:
        for n in range(50):
            assert client.call("/async/", headers={"Host": f"shop.evil{n}"}).status == 400
    settle(server, "/async/", "shop.example", on_sync_track)


# --- what stands around Django's handlers ---


@pytest.mark.parametrize(("name", "prefix"), [("function", ""), ("mounted", "/django"), ("static", "")])
def test_a_handler_inside_another_application_decides(start, name, prefix):
    server = start(f"dispatch_site.around:{name}")
    for path in ("/async/", "/item/1/", "/hopping/"):
        assert on_async_track(reply(server, prefix + path))
    for path in ("/sync/", "/item/one/"):
        assert on_sync_track(reply(server, prefix + path))
    assert reply(server, prefix + "/hopping/").hop.startswith("turnout-hop-")
    answer = get(server.url, prefix + "/nothing/", headers={"Host": "testserver"})
    assert (answer.status, answer.text[:30]) == (404, "no such page, on turnout-sync-")
    if name != "static":
        assert answer.headers["X-Stamp"] == "outside"


def test_what_stands_around_keeps_its_own_paths(start):
    assert get(start("dispatch_site.around:mounted").url, "/elsewhere/").body == b"another application"
    static = start("dispatch_site.around:static")
    assert b"Each says on which thread" in get(static.url, "/static/views.py").body
    assert get(static.url, "/static/none.py").status == 404


@pytest.mark.parametrize("name", ["wsgi", "static_wsgi"])
def test_both_kinds_of_view_behind_wsgi_middleware(start, name):
    server = start(f"dispatch_site.around:{name}")
    assert on_sync_track(reply(server, "/sync/"))
    for _ in range(3):
        # The one loop there is, and not one made for each call; what the view sends to a thread runs on the request's.
        assert reply(server, "/async/").view == "MainThread"
        hopping = reply(server, "/hopping/")
        assert (hopping.view, hopping.hop) == ("MainThread", hopping.chain)
        calls = reply(server, "/on-the-loop/").inner
        assert (calls[0], calls[1].startswith("turnout-sync-")) == ("MainThread", True)


# --- floods of paths that lead nowhere ---

THREADS = 8


FLOODED = ["asgi", "wsgi", "dispatch_site.around:function"]


@pytest.fixture(params=FLOODED)
def flooded(request) -> Iterator[Serving]:
    """A server of its own: what its threads do is counted."""
    path = os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])
    app = request.param if ":" in request.param else f"dispatch_site.{request.param}:application"
    with serve([app, "--threads", str(THREADS), "--drain", "1s"], cwd=SITE, env={"PYTHONPATH": path}) as server:
        yield server


def test_slow_pages_for_what_is_missing_never_have_the_last_thread(flooded):
    flood = [Later(get, flooded.url, f"/hold/{n}/") for n in range(3 * THREADS)]
    flooded.wait_for_log("misses ", times=THREADS - 1)
    # No view was asked for so far: this one is answered at once all the same.
    for _ in range(50):
        assert get(flooded.url, "/sync/").status == 200
    view = Later(get, flooded.url, "/hold/")
    flooded.wait_for_log("holds ")
    assert flooded.log.count("misses ") == THREADS - 1
    get(flooded.url, f"/release/{4 * THREADS}/")
    assert [each.result().status for each in flood] == [404] * len(flood)
    assert view.result().status == 200


def a_quarter_beside(server, view):
    """Floods with pages that are missing while `view` is asked for: a quarter of the threads make them."""
    flood = [Later(get, server.url, f"/hold/{n}/") for n in range(3 * THREADS)]
    answered = 0
    while server.log.count("misses ") < THREADS // 4 or answered < 100:
        assert get(server.url, view).status == 200
        answered += 1
    assert server.log.count("misses ") == THREADS // 4
    get(server.url, f"/release/{4 * THREADS}/")
    assert [each.result().status for each in flood] == [404] * len(flood)


def test_beside_views_that_are_asked_for_pages_that_are_missing_have_a_quarter_of_the_threads(flooded):
    assert get(flooded.url, "/sync/").status == 200
    a_quarter_beside(flooded, "/sync/")


def test_on_the_async_track_pages_that_are_missing_have_a_quarter_of_the_threads_too(start):
    only = json.dumps(["dispatch_site.middleware.only_async"])
    a_quarter_beside(start("asgi", "--exclusive-threads", str(THREADS), DISPATCH_MIDDLEWARE=only), "/hopping/")


def test_a_thousand_missing_pages_in_line_are_not_before_the_next_view(flooded):
    """Each of them is quick; together they would be a second of work before a view that came last."""
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(flooded.url))) for _ in range(400)]
        for n, client in enumerate(clients):
            client.request("GET", f"/slow/{n}/", headers={"Host": "testserver"})
        assert get(flooded.url, "/sync/").status == 200
        waiting = sum(not _has_answer(client) for client in clients)
        assert {client.getresponse().status for client in clients} == {404}
    # Most of the flood is still in line when the view, which came after it, is answered.
    assert waiting > 100, waiting


def _has_answer(client: Client) -> bool:
    import select

    return bool(select.select([client.sock], [], [], 0)[0])


def test_thousands_of_missing_pages_leave_nothing_behind(server):
    def flood(worker: int) -> set[int]:
        with closing(Client(server.url)) as client:
            paths = (f"/missing/{worker}/{n}/" for n in range(250))
            return {client.call(path, headers={"Host": "testserver"}).status for path in paths}

    with ThreadPoolExecutor(8) as pool:
        assert set.union(*pool.map(flood, range(8))) == {404}
    assert on_sync_track(reply(server, "/sync/"))
    assert on_async_track(reply(server, "/async/"))
