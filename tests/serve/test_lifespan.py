"""The lifespan of an ASGI application, as the specification has it, and what goes wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Serving, run, serve, serve_asgi
from wire import get

APPS = Path(__file__).parents[1] / "projects" / "serve"


def stopped(name: str, *, validated: bool = False) -> tuple[Serving, dict]:
    """A server that answered one request, and its answer."""
    with serve_asgi(f"lifespans:{name}", validated=validated, cwd=APPS) as server:
        answer = get(server.url)
        assert answer.status == 200
        assert server.stop() == 0
    return server, json.loads(answer.body)


@pytest.mark.parametrize("validated", [False, True])
def test_each_request_has_a_shallow_copy_of_the_state(validated: bool) -> None:
    with serve_asgi("lifespans:mutating", validated=validated, cwd=APPS) as running:
        answers = [json.loads(get(running.url).body) for _ in range(2)]
        assert running.stop() == 0
        log = running.log
    assert answers == [{"number": 2, "shared": [2]}, {"number": 2, "shared": [2, 2]}]
    assert "shared: {'number': 1, 'shared': [2, 2]}" in log


@pytest.mark.parametrize("validated", [False, True])
def test_an_app_that_returns_or_raises_at_once_is_served_without(validated: bool) -> None:
    server, state = stopped("returns_at_once", validated=validated)
    assert state == {}
    assert "ERROR" not in server.log


def test_a_startup_that_raises_is_shown_and_the_app_is_served() -> None:
    server, _ = stopped("raises_at_startup")
    assert "WARNING: the application's startup raised; it is served without a lifespan\nTraceback" in server.log
    assert "OSError: no cache here" in server.log


def test_a_lifespan_that_ends_early_is_an_error_of_its_own() -> None:
    server, _ = stopped("ends_early")
    assert "ERROR: the application's lifespan ended early\nTraceback" in server.log
    assert "ValueError: lost the queue" in server.log


def test_a_shutdown_that_fails_is_shown() -> None:
    server, _ = stopped("fails_to_shut_down", validated=True)
    assert "ERROR: the application's shutdown failed: the queue is not empty" in server.log
    server, _ = stopped("raises_at_shutdown")
    assert "ERROR: the application's shutdown failed\nTraceback" in server.log
    assert "ValueError: no such queue" in server.log


def test_a_shutdown_that_does_not_end_is_cut_off() -> None:
    server, _ = stopped("never_shuts_down")
    assert "WARNING: the application's shutdown took longer than 1 s and was cut off" in server.log


def test_what_answers_nothing_is_refused() -> None:
    server, _ = stopped("answers_wrongly")
    for line in (
        "RuntimeError: ASGI: unexpected message 'lifespan.shutdown.complete' after 'lifespan.startup'",
        "TypeError: ASGI: 'message' of 'lifespan.startup.failed' must be a str, not bytes",
        "RuntimeError: ASGI: unexpected message None after 'lifespan.startup'",
        "RuntimeError: ASGI: 'lifespan.startup' was answered twice",
    ):
        assert line in server.log


def test_a_startup_that_failed_without_a_message_says_that_much() -> None:
    ended = run(["serve", "lifespans:fails_without_a_word", "--bind", "127.0.0.1:0"], cwd=APPS)
    assert ended.returncode == 1
    assert ended.stderr == "turnout: lifespans:fails_without_a_word did not start: lifespan.startup.failed\n"


def test_an_interrupted_startup_is_not_followed_by_a_shutdown() -> None:
    with serve(["lifespans:asks_again"], cwd=APPS, ready=False) as server:
        server.wait_for_log("starting")
        assert server.stop() == 0
        assert "let go" in server.log
        assert "then:" not in server.log
