"""With DEBUG a declared hook that does I/O on the loop is an error that says so; without DEBUG there is no guard."""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import Serving, serve
from tracks_site.declaring import BLOCKING, FINE
from wire import get

SITE = Path(__file__).parent
DEEDS = "tracks_site.declaring.Deeds"


@contextmanager
def declaring(more: dict[str, str] | None = None, **what: object) -> Iterator[Serving]:
    environment = {
        "PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")]),
        "DJANGO_SETTINGS_MODULE": "tracks_site.declaring_settings",
        "DECLARING": json.dumps(what),
        **(more or {}),
    }
    with serve(["tracks_site.asgi:application", "--drain", "1s"], cwd=SITE, env=environment) as serving:
        yield serving


@pytest.fixture(scope="module")
def debugged() -> Iterator[Serving]:
    with declaring(debug=True, front=[DEEDS]) as serving:
        yield serving


@pytest.fixture(scope="module")
def live() -> Iterator[Serving]:
    with declaring(front=[DEEDS]) as serving:
        yield serving


def ask(serving: Serving, deed: str, hook: str = "request", path: str = "/async/"):
    return get(serving.url, path, headers={"X-Deed": deed, "X-Hook": hook})


@pytest.mark.parametrize("deed", list(BLOCKING))
def test_io_in_a_declared_hook_is_an_error_that_names_it(debugged, deed):
    answer = ask(debugged, deed)
    assert answer.status == 500
    page = html.unescape(answer.text)
    assert f"{DEEDS}.process_request {BLOCKING[deed][1]}" in page
    assert f"declared non-blocking (@non_blocking on {DEEDS}). Take the declaration away" in page
    assert "BlocksTheLoop" in page
    assert "secret" not in page.split("Traceback")[0]


@pytest.mark.parametrize("hook", ["view", "response"])
def test_each_hook_is_guarded(debugged, hook):
    answer = ask(debugged, "listdir", hook)
    assert answer.status == 500
    assert f"{DEEDS}.process_{hook} does os.listdir" in html.unescape(answer.text)


@pytest.mark.parametrize("deed", list(FINE))
def test_what_does_not_block_is_let_through(debugged, deed):
    assert ask(debugged, deed).status == 200


@pytest.mark.parametrize("deed", ["open", "listdir", "orm", "file cache", "sleep", "child", "send"])
def test_on_a_thread_a_declared_hook_may_do_as_it_likes(debugged, deed):
    assert ask(debugged, deed, path="/sync/").status == 200


def test_a_hook_that_keeps_the_loop_is_told_about_once(debugged):
    for _ in range(3):
        assert ask(debugged, "computing", "response").status == 200
    log = debugged.wait_for_log("process_response kept the event loop for")
    assert log.count("process_response kept the event loop for") == 1


def test_the_guard_is_put_up_with_debug_only(debugged, live):
    # From 3.13 on CPython tells of time.sleep itself.
    up = {"patches": True, "sockets": True, "sleep": sys.version_info < (3, 13)}
    assert json.loads(get(debugged.url, "/guarded/").body) == up
    assert json.loads(get(live.url, "/guarded/").body) == {"patches": False, "sockets": False, "sleep": False}
    # It is the project's word that this does not block.
    assert ask(live, "listdir").status == 200


def test_the_banner_says_which_hooks_the_project_answers_for(debugged):
    assert f"inline: {DEEDS}: declared by the project" in debugged.log


def test_a_hook_taken_along_to_a_thread_may_do_as_it_likes():
    with declaring(debug=True, front=["tracks_site.declaring.InOnly", DEEDS]) as serving:
        assert ask(serving, "listdir").status == 200
        assert ask(serving, "listdir", "response").status == 200
        # Its view hook has nothing in front of it.
        assert ask(serving, "listdir", "view").status == 500


def test_a_declared_function_runs_on_the_loop_and_is_guarded_too(debugged, live):
    assert get(live.url, "/added/").text == get(debugged.url, "/added/").text == "3 MainThread"
    assert get(live.url, "/added-from-disk/").text == "1 MainThread"
    answer = get(debugged.url, "/added-from-disk/")
    assert answer.status == 500
    page = html.unescape(answer.text)
    assert "tracks_site.declaring.add_from_disk does open('/etc/hostname'" in page
    assert "declared non-blocking (@non_blocking)" in page


def test_declared_hooks_run_on_the_loop_inside_sentrys_wrappers(tmp_path):
    sentry = {"TRACED_BY": "sentry", "SENTRY_FILE": str(tmp_path / "sentry")}
    with declaring(sentry, debug=True, front=[DEEDS]) as serving:
        assert ask(serving, "nothing").status == 200
        for hook in ("request", "view", "response"):
            answer = ask(serving, "listdir", hook)
            assert answer.status == 500
            assert f"{DEEDS}.process_{hook} does os.listdir" in html.unescape(answer.text)


def test_without_a_declared_hook_nothing_is_put_up():
    with declaring(debug=True) as serving:
        assert json.loads(get(serving.url, "/guarded/").body)["patches"] is False


def test_a_wrong_declaration_keeps_the_server_from_starting():
    environment = {"turnout": {"NON_BLOCKING": ["tracks_site.declaring.Deeds.proces_request"]}}
    with pytest.raises(AssertionError, match="never became ready") as ended, declaring(**environment):
        pass
    assert "names 'tracks_site.declaring.Deeds.proces_request': proces_request does not exist" in str(ended.value)
    assert "Traceback" not in str(ended.value).split("ImproperlyConfigured")[1]
