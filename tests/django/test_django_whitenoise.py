"""WhiteNoise's middleware on the async track: a path that is no file takes no thread, a file is WhiteNoise's answer."""

from __future__ import annotations

import gzip
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings
from loop_guard import guarded
from test_django_builtins import AUTH, SECURITY, SESSION, other_code
from whitenoise.responders import StaticFile
from wire import get

from turnout.django import targets, vetting
from turnout.django.hooks.staticfiles import open_static_file
from turnout.testing import LiveServer

WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"
STYLE = b"body { color: #333 }\n" * 200


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """What collectstatic and WhiteNoise's compressor leave."""
    folder = tmp_path_factory.mktemp("static")
    (folder / "app.css").write_bytes(STYLE)
    (folder / "app.css.gz").write_bytes(gzip.compress(STYLE))
    (folder / "app.css.br").write_bytes(brotli.compress(STYLE))
    (folder / "app.0123456789ab.js").write_bytes(b"let a = 1\n" * 30_000)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "pages").mkdir()
    (folder / "pages" / "index.html").write_bytes(b"<p>index</p>")
    for path in folder.rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


@pytest.fixture(autouse=True)
def quiet(monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)


def settings_of(root: Path, *middleware: str, **more: Any) -> dict[str, Any]:
    return {
        "MIDDLEWARE": list(middleware) or [SECURITY, WHITENOISE, SESSION, AUTH],
        "ROOT_URLCONF": "tracks_site.packages",
        "STATIC_ROOT": str(root),
        "STATIC_URL": "/static/",
        "WHITENOISE_INDEX_FILE": True,
        "WHITENOISE_IMMUTABLE_FILE_TEST": r"\.[0-9a-f]{12}\.",
        **more,
    }


# WhiteNoise reads the date as local time, and Django's TIME_ZONE is that of the process.
TAG = f'"{int(time.mktime(time.gmtime(1_700_000_000))):x}-{len(STYLE):x}"'
CSS, JS = "/static/app.css", "/static/app.0123456789ab.js"
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"path": CSS},
    "head": {"path": CSS, "method": "HEAD"},
    "gzip": {"path": CSS, "headers": [("Accept-Encoding", "gzip")]},
    "brotli": {"path": CSS, "headers": [("Accept-Encoding", "gzip, deflate, br")]},
    "any encoding": {"path": CSS, "headers": [("Accept-Encoding", "*")]},
    "immutable": {"path": JS},
    "empty": {"path": "/static/empty.txt"},
    "same tag": {"path": CSS, "headers": [("If-None-Match", TAG)]},
    "other tag": {"path": CSS, "headers": [("If-None-Match", '"other"')]},
    "not modified since": {"path": CSS, "headers": [("If-Modified-Since", "Tue, 14 Nov 2023 22:13:20 GMT")]},
    "modified since": {"path": CSS, "headers": [("If-Modified-Since", "Tue, 14 Nov 2023 22:13:19 GMT")]},
    "no date": {"path": CSS, "headers": [("If-Modified-Since", "yesterday")]},
    "range": {"path": JS, "headers": [("Range", "bytes=100-249")]},
    "range to the end": {"path": JS, "headers": [("Range", "bytes=299900-")]},
    "range from the end": {"path": JS, "headers": [("Range", "bytes=-100")]},
    "range of a head": {"path": JS, "method": "HEAD", "headers": [("Range", "bytes=100-249")]},
    "range too far": {"path": JS, "headers": [("Range", "bytes=400000-")]},
    "range of nothing known": {"path": JS, "headers": [("Range", "lines=1-2")]},
    "ranges": {"path": JS, "headers": [("Range", "bytes=0-1,4-5")]},
    "range of a smaller variant": {"path": CSS, "headers": [("Range", "bytes=0-9"), ("Accept-Encoding", "gzip")]},
    "post": {"path": CSS, "method": "POST"},
    "index": {"path": "/static/pages/"},
    "index redirected": {"path": "/static/pages"},
    "index by name": {"path": "/static/pages/index.html"},
    "no file": {"path": "/static/nothing.css"},
    "a variant by name": {"path": "/static/app.css.gz"},
    "a view": {"path": "/answer/"},
}
# Only these open a file.
OPENS = {"plain", "gzip", "brotli", "any encoding", "immutable", "empty", "other tag", "modified since", "no date"}
OPENS |= {name for name in REQUESTS if name.startswith("range") and name != "range of a head"} | {"index"}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_every_answer_is_that_of_whitenoise_under_djangos_handler(make, root):
    async def ask(driver):
        run = driver.run_asgi if driver.handler.compat else driver.run_async
        found = {}
        for name, request in REQUESTS.items():
            answer = await run(**request)
            found[name] = (answer.status, sorted(answer.headers), answer.body)
        return found

    ours = make(ask, settings=settings_of(root))
    theirs = make(ask, settings=settings_of(root), compat=True)
    assert ours == theirs
    assert {answer[0] for answer in ours.values()} == {200, 206, 302, 304, 404, 405, 416}


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("name", list(REQUESTS))
def test_only_a_file_to_open_takes_a_thread(make, root, name, kind):
    async def check(driver):
        with guarded():
            answer = await driver.run_async(**REQUESTS[name])
        threads = 1 if name in OPENS or answer.status == 404 else 0
        assert driver.handler.hops.threads == threads

    make(check, settings=settings_of(root), kind=kind)


def test_files_go_out_over_real_sockets(root):
    """Bodies come from Rust: whole files, ranges and variants."""
    with override_settings(**settings_of(root)), LiveServer(ASGIHandler()) as server:
        script = (root / "app.0123456789ab.js").read_bytes()
        assert get(server.url, JS).body == script
        part = get(server.url, JS, headers={"Range": "bytes=100-249"})
        assert (part.status, part.body) == (206, script[100:250])
        assert part.headers["Content-Range"] == f"bytes 100-249/{len(script)}"
        head = get(server.url, JS, method="HEAD")
        assert (head.headers["Content-Length"], head.body) == (str(len(script)), b"")
        assert head.headers["Cache-Control"] == "max-age=315360000, public, immutable"
        small = get(server.url, CSS, headers={"Accept-Encoding": "br"})
        assert (small.headers["Content-Encoding"], brotli.decompress(small.body)) == ("br", STYLE)
        unchanged = get(server.url, CSS, headers={"If-None-Match": TAG})
        assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", TAG)


def test_layers_above_see_the_answer_and_layers_below_are_not_asked(make, root, events):
    async def check(driver):
        events.clear()
        answer = await driver.run_async(path=CSS)
        assert (answer.status, answer.body, answer.header("X-Stamp")) == (200, STYLE, "200")
        assert events == []
        assert answer.header("X-Content-Type-Options") == "nosniff"

    names = ("tracks_site.middleware.Stamping", SECURITY, WHITENOISE, "tracks_site.middleware.Noting")
    make(check, settings=settings_of(root, *names))


def test_a_file_that_has_gone_is_an_error_that_the_layers_above_see(make, root, tmp_path):
    (tmp_path / "gone.css").write_text("a")
    settings = settings_of(tmp_path, "tracks_site.middleware.Stamping", WHITENOISE)

    async def check(driver):
        (tmp_path / "gone.css").unlink()
        with guarded():
            answer = await driver.run_async(path="/static/gone.css")
        assert (answer.status, answer.header("X-Stamp")) == (500, "500")
        assert (await driver.run_async(path="/answer/")).status == 200

    make(check, settings=settings)


@pytest.mark.parametrize(("path", "body"), [(CSS, STYLE), ("/answer/", b"")])
def test_a_hook_above_that_hops_takes_it_along(make, root, path, body):
    async def check(driver):
        answer = await driver.run_async(path=path)
        assert (answer.status, answer.body) == (200, body)
        assert driver.handler.hops.threads == 1

    make(check, settings=settings_of(root, "tracks_site.middleware.Noting", WHITENOISE))


def test_the_opening_of_a_file_leaves_nothing_on_its_thread():
    found = type("Own", (), {})()
    assert targets.runs(_call(open_static_file, None, found, None)) is targets.Runs.FOREIGN
    found = StaticFile.__new__(StaticFile)
    assert targets.runs(_call(open_static_file, None, found, None)) is targets.Runs.VETTED


def _call(function: Any, *arguments: Any) -> Any:
    """As asgiref submits it."""
    return partial(print, partial(function, *arguments))


# --- what is not WhiteNoise's own ---


def mode_of(driver) -> tuple[str, str]:
    return next(found[1:] for found in driver.handler.describe()["middleware"] if "hite" in found[0])


def test_autorefresh_asks_the_disk_on_a_thread_for_every_path(make, root, tmp_path):
    async def check(driver):
        assert mode_of(driver) == ("hop", "WHITENOISE_AUTOREFRESH asks the disk")
        with guarded():
            assert (await driver.run_async(path="/static/new.css")).status == 404
            assert driver.handler.hops.threads == 1
            assert (await driver.run_async(path="/answer/")).status == 200
        (tmp_path / "new.css").write_text("new")
        assert (await driver.run_async(path="/static/new.css")).body == b"new"

    make(check, settings=settings_of(tmp_path, WHITENOISE_AUTOREFRESH=True))


@pytest.mark.parametrize(
    ("name", "mode", "why", "threads"),
    [
        ("OwnNames", "inline", "vetted in this version of whitenoise", 0),
        ("OwnCall", "thread", "OwnCall overrides __call__; sync only", 1),
        ("OwnServing", "thread", "OwnServing overrides serve; sync only", 1),
        ("OwnFiles", "inline", "vetted in this version of whitenoise", 1),
    ],
)
def test_a_subclass_is_inline_while_it_serves_as_whitenoise_does(make, root, name, mode, why, threads):
    """What fills the dictionary at the start is its own affair."""

    async def check(driver):
        found = mode_of(driver)
        assert found[0] == mode
        assert found[1].startswith(why)
        with guarded():
            assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == threads
        assert (await driver.run_async(path=CSS)).body == STYLE

    make(check, settings=settings_of(root, SECURITY, f"tracks_site.whitenoises.{name}", SESSION))


@pytest.mark.parametrize("name", ["__call__", "serve"])
def test_a_change_of_one_token_brings_the_thread_back(make, root, monkeypatch, tmp_path, name, caplog):
    function = vetting.plain_function(vetting.find(f"{WHITENOISE}.{name}"))
    monkeypatch.setattr(function, "__code__", other_code(function, tmp_path))
    monkeypatch.setattr(vetting, "_said", set())

    async def check(driver):
        mode, why = mode_of(driver)
        assert (mode, why.partition(";")[0]) == (
            "thread",
            f"{WHITENOISE}.{name} is not a function that was vetted",
        )
        assert (await driver.run_async(path="/answer/")).status == 200
        assert driver.handler.hops.threads == 1
        assert (await driver.run_async(path=CSS)).body == STYLE
        assert len([record for record in caplog.records if "that was vetted" in record.message]) == 1

    make(check, settings=settings_of(root))
