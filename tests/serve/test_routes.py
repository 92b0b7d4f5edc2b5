"""What `turnout routes` says of a project, and that the server does it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import pytest
from harness import run, serve
from wire import get

PROJECT = Path(__file__).parents[1] / "projects" / "routes_site"
RELEASE = ".".join(map(str, django.VERSION[:2]))
SECURITY = "django.middleware.security.SecurityMiddleware"


def settings(**more: Any) -> dict[str, str]:
    return {"MORE": json.dumps(more)}


def middleware(*names: str) -> dict[str, str]:
    return settings(MIDDLEWARE=[SECURITY, *(f"site_.{name}" for name in names)])


def routes(*arguments: str, **how: Any) -> str:
    """Its answer; the project's own words are not part of it."""
    ended = run(["routes", *arguments], cwd=PROJECT, **how)
    assert (ended.returncode, ended.stderr) == (0, "the settings say hello\n"), ended.stderr
    return ended.stdout


def as_json(*arguments: str, **how: Any) -> Any:
    return json.loads(routes(*arguments, "--json", **how))


def found(facts: Any) -> list[tuple[str, str]]:
    return [(finding["kind"], f"{finding['what']}: {finding['why']}") for finding in facts["keeps_a_thread"]]


def test_every_route_has_a_line_with_its_view_and_track() -> None:
    told = routes()
    for line in (
        "27 routes of site_.urls: 21 sync, 6 async",
        "  sync       /                                site_.views.sync",
        "  async      /async/                          site_.views.asynchronous",
        "  sync       /partial/                        site_.views.sync",
        "  sync       /instance/                       site_.views.Instance",
        "             /shop/                           include of site_.shop, in namespace shop",
        "  sync       /shop/<str:city>/rooms/<int:n>/  site_.views.sync",
        "             /many/                           include in namespace few",
        "  sync       /many/n14/                       site_.views.sync",
        "  async      /year/(?P<y>[0-9]{4})/$          site_.views.Async",
        "  async      /even/<even:n>/                  site_.views.asynchronous",
        "  sync       /behind/                         site_.views.Sync",
        "  async (1)  /<language>/hotel/<int:pk>/      site_.views.Async",
        "  (1) found out request by request: <language>/: i18n_patterns, the path begins with a language",
        f"  inline  {SECURITY}  vetted for Django {RELEASE}",
        "  nothing but what the views do themselves",
    ):
        assert line in told.splitlines()
    assert told.startswith(f"site_ (Django {RELEASE}.")
    assert "\x1b" not in told


def test_programs_get_it_as_json() -> None:
    facts = as_json()
    by_route = {route["route"]: route for route in facts["routes"]}
    assert len(by_route) == 27
    assert by_route["/shop/<str:city>/rooms/<int:n>/"] == {
        "route": "/shop/<str:city>/rooms/<int:n>/",
        "view": "site_.views.sync",
        "name": "shop:room",
        "namespaces": ["shop"],
        "track": "sync",
        "async_view": False,
        "decided": "start",
        "why": None,
    }
    hotel = by_route["/<language>/hotel/<int:pk>/"]
    assert hotel["decided"] == "request"
    assert hotel["why"] == "<language>/: i18n_patterns, the path begins with a language"
    assert facts["middleware"] == [{"middleware": SECURITY, "mode": "inline", "why": f"vetted for Django {RELEASE}"}]
    assert (facts["request"], facts["urlconf"], facts["keeps_a_thread"]) == ("asgi", "site_.urls", [])


#: A path for each kind of route, and the middleware that changes what happens to it.
CASES = {
    "plain": (middleware(), ["/", "/async/", "/instance/", "/shop/rome/", "/shop/rome/rooms/4/", "/year/1999/"]),
    "found out": (middleware(), ["/even/4/", "/behind/", "/en/hotel/5/"]),
    "async only": (middleware("middleware.async_only"), ["/async/", "/year/1999/"]),
    "compat": (middleware(), ["/async/"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_server_does_what_it_says(case: str) -> None:
    env, addresses = CASES[case]
    options = ["--compat"] if case == "compat" else []
    explained = as_json(*options, *(f"--path={path}" for path in addresses), env=env)
    with serve(options, cwd=PROJECT, env=env) as server:
        threads = {path: get(server.url, path).text for path in addresses}
    ran = {path: "async" if thread == "MainThread" else "sync" for path, thread in threads.items()}
    assert {facts["path"]: facts["track"] for facts in explained} == ran
    assert set(ran.values()) == ({"async", "sync"} if case in ("plain", "found out") else {"async"})


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/shop/"], ["/shop/<str:city>/", "/shop/<str:city>/rooms/<int:n>/", "/shop/<str:city>/map/"]),
        (["/shop/rome/r"], ["/shop/<str:city>/rooms/<int:n>/"]),
        (["/many/n3", "/as"], ["/async/", "/many/n3/"]),
        (["/shop/", "--track", "async"], ["/shop/<str:city>/"]),
        (["/de/"], ["/<language>/hotel/<int:pk>/"]),
        (["/year/2001/"], ["/year/(?P<y>[0-9]{4})/$"]),
        (["/nowhere"], []),
    ],
)
def test_a_prefix_and_a_track_choose_routes(arguments: list[str], shown: list[str]) -> None:
    facts = as_json(*arguments)
    assert [route["route"] for route in facts["routes"]] == shown


def test_chosen_routes_stand_alone() -> None:
    told = routes("/shop/", "--track", "async")
    assert "1 of 27 routes of site_.urls: 0 sync, 1 async\n" in told
    assert "Middleware" not in told
    assert "  none that was asked for" in routes("/as/x/", "--track", "sync")


def test_a_path_is_explained() -> None:
    told = routes("--path", "/de/hotel/5/", "--path", "https://x.example/year/1999/?page=2")
    assert told.split("\n\n") == [
        "/de/hotel/5/  async\n"
        "  view      site_.views.Async\n"
        "  route     /<language>/hotel/<int:pk>/\n"
        "  name      hotel\n"
        "  arguments pk=5\n"
        "  why       resolved in the language that it begins with, 'de'\n"
        "            the view is async\n"
        "            found out request by request: <language>/: i18n_patterns, the path begins with a language",
        "/year/1999/  async\n"
        "  view      site_.views.Async\n"
        "  route     /year/(?P<y>[0-9]{4})/$\n"
        "  name      year\n"
        "  arguments y='1999'\n"
        "  why       the view is async\n"
        "            known from the path, before Python is asked\n",
    ]


def test_a_path_without_a_view_is_explained() -> None:
    slash, language, odd, raising = as_json(
        *(f"--path={it}" for it in ("/async", "/hotel/5/", "/even/3/", "/even/102/"))
    )
    nothing = "no view: the 404 page, a redirect to a slash and flatpages all want a thread"
    assert [facts["track"] for facts in (slash, language, odd, raising)] == ["sync", "sync", "async", "async"]
    assert {facts["view"] for facts in (slash, language, odd, raising)} == {None}
    assert slash["why"] == [nothing, "/async/ has one"]
    assert language["why"] == [nothing, "/en/hotel/5/ has one"]
    asked = "no converter of the project's own is asked before the request: the track is that of its pattern"
    assert odd["why"] == [nothing, asked]
    assert raising["why"] == [
        "resolving it raised LookupError: no database here; a request is resolved on a thread",
        asked,
    ]


def test_a_path_below_what_a_proxy_keeps_is_explained() -> None:
    env = {"TURNOUT_ROOT_PATH": "/site", "TURNOUT_ROOT_PATH_KEPT": "true"}
    assert [facts["path"] for facts in as_json("--path", "/site/async/", "--path", "/site", env=env)] == [
        "/async/",
        "/",
    ]
    forced = as_json("--path", "/site/async/", env=settings(FORCE_SCRIPT_NAME="/site"))
    assert [facts["view"] for facts in forced] == ["site_.views.asynchronous"]


@pytest.mark.parametrize(
    ("name", "mode", "why"),
    [
        ("middleware.sync_only", "thread", "sync only: "),
        ("middleware.Unread", "hop", "not vetted"),
    ],
)
def test_a_middleware_that_keeps_a_thread_is_named(name: str, mode: str, why: str) -> None:
    facts = as_json(env=middleware(name))
    own = facts["middleware"][1]
    assert (own["middleware"], own["mode"]) == (f"site_.{name}", mode)
    assert own["why"].startswith(why)
    assert [kind for kind, _ in found(facts)] == ["middleware"]
    assert found(facts)[0][1].startswith(f"site_.{name}: {why}")


def test_receivers_of_the_request_signals_are_named() -> None:
    facts = as_json(env=middleware("middleware.Listening"))
    receivers = [what for kind, what in found(facts) if kind == "receiver"]
    assert set(receivers) == {
        "site_.middleware.count: listens to request_started: every request takes a thread for it",
        "site_.middleware.Listening.count_out: listens to request_finished: every request takes a thread for it",
    }


def test_an_async_only_middleware_puts_sync_views_on_the_async_track() -> None:
    facts = as_json(env=middleware("middleware.async_only"))
    assert {route["track"] for route in facts["routes"]} == {"async"}
    assert {route["why"] for route in facts["routes"]} == {"a middleware is async only"}
    ((kind, what),) = found(facts)
    assert kind == "views"
    assert what == (
        "3 sync views: site_.views.sync, site_.views.Instance, site_.views.Sync: on the async track "
        "(a middleware is async only): a thread for each, beside the event loop's part"
    )


def test_a_middleware_that_reroutes_leaves_every_track_to_the_request() -> None:
    env = middleware("rerouting.Rerouting")
    facts = as_json(env=env)
    why = "site_.rerouting.Rerouting may change the URLconf or the path"
    assert {(route["decided"], route["why"]) for route in facts["routes"]} == {("request", why)}
    (explained,) = as_json("--path", "/", env=env)
    # The async chain finds out.
    assert (explained["track"], explained["why"]) == (
        "async",
        ["the view is sync", f"found out request by request: {why}"],
    )


def test_atomic_requests_and_async_views_are_warned_of() -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": True}
    (finding,) = found(as_json(env=settings(DATABASES={"default": database})))
    assert finding == (
        "error",
        "2 async views: site_.views.asynchronous, site_.views.Async: Django raises RuntimeError, for database "
        "'default' has ATOMIC_REQUESTS (transaction.non_atomic_requests is the way out)",
    )


def test_django_in_an_application_of_somebody_else_is_shown_all_the_same() -> None:
    facts = as_json("site_.asgi:wrapped")
    assert (facts["request"], len(facts["routes"]), facts["middleware"]) == (None, 27, [])
    ((kind, what),) = found(facts)
    assert kind == "project"
    assert what.startswith("site_.asgi:wrapped: site_.asgi:wrapped is served as plain ASGI (it is an async callable)")


@pytest.mark.parametrize(("app", "track"), [("site_.asgi:application", "async"), ("site_.wsgi:application", "sync")])
def test_under_compat_the_entry_point_decides(app: str, track: str) -> None:
    facts = as_json(app, "--compat")
    assert {route["track"] for route in facts["routes"]} == {track}
    kinds = [kind for kind, _ in found(facts)]
    assert kinds == (["project", "views"] if track == "async" else ["views"])


def test_a_urlconf_that_includes_itself_ends() -> None:
    facts = as_json(env=settings(ROOT_URLCONF="site_.self_including", USE_I18N=False))
    listed = {route["route"]: (route["track"], route["decided"]) for route in facts["routes"]}
    assert listed["/a/"] == ("async", "start")
    assert listed["/again/a/"] == ("async", "start")
    assert listed["/b/"] == ("sync", "request")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TURNOUT_", "DJANGO_", "NO_"))}


def at_a_terminal(*arguments: str, columns: int, **more: str) -> str:
    """What somebody sees."""
    main, secondary = pty.openpty()
    command = [sys.executable, "-m", "turnout", "routes", *arguments]
    env = {**clean_environment(), "TERM": "xterm", "COLUMNS": str(columns), **more}
    with (
        os.fdopen(main, "rb", buffering=0) as seen,
        subprocess.Popen(
            command, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=secondary, stderr=subprocess.DEVNULL
        ) as process,
    ):
        os.close(secondary)
        text = b""
        # Linux says EIO where the other side of a terminal is closed.
        while piece := _read(seen):
            text += piece
        assert process.wait(60) == 0
    return text.decode().replace("\r\n", "\n")


def _read(seen: Any) -> bytes:
    try:
        return seen.read(65536)
    except OSError:
        return b""


def test_a_terminal_gets_colours_and_lines_that_fit() -> None:
    told = at_a_terminal(columns=72)
    assert "\x1b[36masync" in told
    plain = re.sub(r"\x1b\[\d+m", "", told)
    assert plain == at_a_terminal(columns=72, NO_COLOR="1")
    assert max(map(len, plain.splitlines())) <= 72
    # A view that does not fit stands below its route.
    assert "  sync       /shop/<str:city>/rooms/<int:n>/\n               site_.views.sync\n" in plain


def test_at_a_terminal_many_routes_that_are_alike_are_one_line() -> None:
    line = "  sync       /many/...                        15 routes in namespace few: turnout routes /many/\n"
    told = at_a_terminal(columns=120, NO_COLOR="1")
    assert line in told
    assert "/many/n3/" not in told
    for arguments in (["--all"], ["/many/"]):
        whole = at_a_terminal(*arguments, columns=120, NO_COLOR="1")
        assert "/many/...  " not in whole
        assert whole.count("/many/n") == 15


def test_the_application_may_be_named_in_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "turnout.toml"
    file.write_text('app = "site_.wsgi:application"\n')
    assert as_json("--config", str(file))["application"] == "site_.wsgi:application"
    assert as_json("site_.asgi", "--config", str(file))["request"] == "asgi"


@pytest.mark.parametrize(
    ("arguments", "cwd", "status", "line"),
    [
        ([], "serve", 2, "no manage.py in "),
        (["wsgi_app:app"], "serve", 2, "wsgi_app:app is no Django project (it is a plain callable): it has no routes"),
        (["missing:app"], "serve", 2, "no module named missing: looked in "),
        (["broken:app"], "serve", 1, "importing broken failed with ValueError: the weather is bad"),
        (["a:b", "c:d"], "serve", 2, "c:d: one argument too many; see turnout routes --help"),
        (["--track", "both"], "serve", 2, "--track both: must be one of sync, async"),
    ],
)
def test_a_slip_is_one_line(arguments: list[str], cwd: str, status: int, line: str) -> None:
    ended = run(["routes", *arguments], cwd=PROJECT.parent / cwd)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.splitlines()[-1].startswith(f"turnout: {line}")


def test_a_broken_urlconf_is_the_project_s_fault() -> None:
    env = settings(ROOT_URLCONF="site_.nothing")
    for app in ([], ["site_.asgi:wrapped"]):
        ended = run(["routes", *app], cwd=PROJECT, env=env)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.splitlines()[-1] == (
            "turnout: loading the URLconf failed with ModuleNotFoundError: No module named 'site_.nothing'"
        )


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"set -o pipefail; {sys.executable} -m turnout routes | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "the settings say hello\n")


def test_the_help_says_what_the_words_mean() -> None:
    ended = run(["routes", "--help"])
    assert (ended.returncode, ended.stderr) == (0, "")
    for word in ("--path <PATH>", "--track <sync|async>", "--json", "--all", "--interface", "--config"):
        assert word in ended.stdout
