"""What `turnout.on_startup` and `turnout.on_shutdown` promise: once in each worker, around all requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import run, serve
from wire import Later, get

import turnout
from turnout import on_shutdown, on_startup, startstop
from turnout.lifetime import StartError
from turnout.testing import LiveServer

PROJECT = Path(__file__).parents[1] / "projects" / "start_stop"
#: All threads of a hook: `loop` is the worker's own.
LOOP, HOOK = "MainThread", "turnout-hook"


def said(log: str) -> list[str]:
    return re.findall(r"^said: (.*)$", log, re.MULTILINE)


@pytest.fixture
def database(tmp_path: Path) -> dict[str, str]:
    """The environment of a project whose database has its tables."""
    env = {"HOOKED_DB": str(tmp_path / "db.sqlite3")}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    done = subprocess.run(migrate, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60)
    # manage.py registers the same hooks: none of them ran.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return env


STARTED = [
    f"session opened ({LOOP})",
    f"read with from the start ({HOOK})",
    f"read 2 on turnout-hop ({LOOP})",
    f"called {LOOP} ({HOOK})",
]
ENDED = [f"goodbye of from the start ({HOOK})", f"session closed, label none ({LOOP})"]


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_hooks_run_in_order_before_and_in_reverse_after_the_requests(kind: str, database: dict[str, str]) -> None:
    with serve([f"hooked.{kind}:application"], cwd=PROJECT, env=database) as server:
        # Ready, and nothing was asked yet.
        assert said(server.log) == [it.replace("read 2", "read " + read_of(server.log)) for it in STARTED]
        answer = json.loads(get(server.url, "/async").body)
        counted = get(server.url, "/ask").text
        assert server.stop() == 0
    inner = answer.pop("inner")
    number = int(read_of(server.log))
    expected = {"class": f"{kind.upper()}Request", "label": "from the start", "number": number}
    # What the loop made is usable in an async view, and both kinds of view see what hooks have set.
    assert answer == {**expected, "closed": "Cannot operate on a closed database."}
    assert inner == answer
    assert counted == f"{number - 2} on turnout-hop"
    assert said(server.log)[len(STARTED) :] == ENDED
    assert "Traceback" not in server.log


def read_of(log: str) -> str:
    """How many content types there were, and the hooks that counted."""
    found = re.search(r"^said: read (\d+) ", log, re.MULTILINE)
    assert found is not None, log
    return found[1]


def test_every_worker_runs_them_also_one_that_replaces_another(database: dict[str, str]) -> None:
    with serve(["--workers", "2"], cwd=PROJECT, env=database) as server:
        assert said(server.log).count(STARTED[0]) == 2
        os.kill(server.workers[0], signal.SIGKILL)
        server.wait_for_log(f"called {LOOP} ({HOOK})", times=3)
        server.wait_for_log("is ready again")
        assert server.stop() == 0
    assert said(server.log).count(ENDED[0]) == 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("sync_raises", "OSError: no cache here"),
        ("async_raises", "OSError: no cache here"),
        ("cancelled", "CancelledError"),
        ("exits", "RuntimeError: SystemExit: enough"),
        ("stop_iteration", "RuntimeError: StopIteration"),
    ],
)
def test_a_startup_hook_that_fails_keeps_the_server_from_starting(wrong: str, error: str) -> None:
    env = {"HOOKS": "going_wrong", "WRONG": wrong}
    ended = run(["serve", "--bind", "127.0.0.1:0"], cwd=PROJECT, env=env)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert lines[-1] == f"turnout: the startup hook hooked.going_wrong.{wrong} failed with {error}"
    # The project's own traceback, from the hook on. Python 3.10 tells first of the error that asyncio's own comes from.
    assert lines[0] == "Traceback (most recent call last):"
    frames = [line for line in lines if line.startswith("  File ") and "/asyncio/" not in line]
    assert frames[0].startswith(f'  File "{PROJECT}/hooked/going_wrong.py"')
    # Those before it ran, those after it did not, and what did not start has no end.
    assert said(ended.stdout) == [f"first ({HOOK})"]


@pytest.mark.parametrize("wrong", ["async_hangs", "sync_hangs", "will_not_be_cancelled"])
def test_a_startup_hook_that_hangs_is_given_up_on_and_the_place_shown(wrong: str) -> None:
    env = {"HOOKS": "going_wrong", "WRONG": wrong, "WITHIN": "0.5"}
    ended = run(["serve", "--bind", "127.0.0.1:0"], cwd=PROJECT, env=env)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert lines[-1] == f"turnout: the startup hook hooked.going_wrong.{wrong} did not end within 0.5 s"
    assert lines[0] == "It is here (most recent call last):"
    assert lines[1].startswith(f'  File "{PROJECT}/hooked/going_wrong.py"')
    assert ("in deeper" in ended.stderr) == (wrong == "async_hangs")
    # asyncio names what destroyed a task that refuses to end.
    assert wrong == "will_not_be_cancelled" or "turnout/lifetime.py" not in ended.stderr
    assert "never" not in ended.stdout


@pytest.mark.parametrize("wrong", ["async_hangs", "sync_hangs"])
def test_a_server_told_to_stop_while_it_starts_ends_well(wrong: str) -> None:
    with serve(cwd=PROJECT, env={"HOOKS": "going_wrong", "WRONG": wrong}, ready=False) as server:
        server.wait_for_log("said: hanging")
        assert server.stop() == 0
    assert "never" not in server.log
    assert "Traceback" not in server.log


def test_shutdown_hooks_wait_for_the_requests(database: dict[str, str]) -> None:
    with serve(cwd=PROJECT, env=database) as server:
        answer = Later(get, server.url, "/slow")
        server.wait_for_log("said: begun")
        assert server.stop() == 0
        assert answer.result().text == "slow"
    assert said(server.log)[-3:] == [f"answered ({LOOP})", *ENDED]


@pytest.mark.parametrize("drain", ["0", "3s"])
def test_a_shutdown_hook_that_fails_or_hangs_keeps_no_other_from_running(drain: str) -> None:
    with serve(["--drain", drain], cwd=PROJECT, env={"HOOKS": "ending_badly"}) as server:
        assert server.stop() == 0
    assert said(server.log) == [f"first ({LOOP})", f"last ({HOOK})"]
    hook = "the shutdown hook hooked.ending_badly"
    for line in (
        f"ERROR: {hook}.fails_on_a_thread failed\nTraceback (most recent call last):\n"
        f'  File "{PROJECT}/hooked/ending_badly.py"',
        f"ERROR: {hook}.fails_on_the_loop failed\nTraceback (most recent call last):\n"
        f'  File "{PROJECT}/hooked/ending_badly.py"',
        "ValueError: the file is gone\n",
        "ValueError: the queue is not empty\n",
    ):
        assert line in server.log
    assert re.search(f"WARNING: {hook}.hangs_on_a_thread did not end within [0-9.]+ s and was cut off\n", server.log)
    assert re.search(f"WARNING: {hook}.hangs_on_the_loop did not end within [0-9.]+ s and was cut off\n", server.log)


def test_hooks_surround_the_lifespan_of_an_asgi_application() -> None:
    with serve(["hooked.lived:application"], cwd=PROJECT, env={"HOOKS": "late"}) as server:
        assert server.stop() == 0
    assert said(server.log) == [
        f"lifespan startup ({LOOP})",
        f"lifespan shutdown ({LOOP})",
        f"registered late ({HOOK})",
    ]


@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_other_applications_have_hooks_too(name: str) -> None:
    with serve([f"plain:{name}"], cwd=PROJECT) as server:
        assert get(server.url).text == name
        assert server.stop() == 0
    log = server.log
    assert log.index("made\n") < log.index("Listening on") < log.index("unmade\n")


def test_a_startup_hook_that_comes_late_is_told_so(database: dict[str, str]) -> None:
    with serve(cwd=PROJECT, env=database) as server:
        assert get(server.url, "/late").text == "late"
        assert server.stop() == 0
    assert "WARNING: on_startup: builtins.print was registered after the start and does not run\n" in server.log
    # The last one registered comes first.
    assert said(server.log)[len(STARTED) :] == [f"registered late ({HOOK})", *ENDED]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An empty one for this test, and a list for what its hooks say."""
    monkeypatch.setattr(startstop, "startup", [])
    monkeypatch.setattr(startstop, "shutdown", [])
    yield []
    assert startstop.begun == 0


def wsgi(environ, start_response):
    start_response("204 No Content", [])
    return []


def test_a_live_server_runs_them_each_time(registry: list[str]) -> None:
    on_startup(lambda: registry.append("start"))
    on_shutdown(lambda: registry.append("stop"))
    for _ in range(2):
        with LiveServer(wsgi) as server:
            assert get(server.url).status == 204
            assert registry[-1] == "start"
    assert registry == ["start", "stop", "start", "stop"]


def test_a_live_server_that_does_not_start_raises_why(registry: list[str]) -> None:
    def broken():
        raise OSError("no cache here")

    on_startup(broken)
    on_shutdown(lambda: registry.append("stop"))
    with pytest.raises(StartError, match="broken failed with OSError: no cache here") as caught, LiveServer(wsgi):
        pass
    assert isinstance(caught.value.__cause__, OSError)
    assert registry == []


def test_a_function_is_registered_once_and_stays_what_it_was(registry: list[str]) -> None:
    def hook():
        registry.append("start")

    assert on_startup(hook) is hook
    assert on_startup(timeout=5)(hook) is hook
    assert on_shutdown(hook) is hook
    with LiveServer(wsgi):
        assert registry == ["start"]
    assert registry == ["start", "start"]


def test_a_hook_may_register_another(registry: list[str]) -> None:
    def first():
        registry.append("first")
        on_startup(lambda: registry.append("second"))

    on_startup(first)
    with LiveServer(wsgi):
        assert registry == ["first", "second"]


def test_what_cannot_be_a_hook_is_refused_where_it_is_registered(registry: list[str]) -> None:
    def wants(request):
        pass

    async def around():
        yield

    with pytest.raises(TypeError, match=r"wants is called without arguments: missing a required argument: 'request'"):
        on_startup(wants)
    with pytest.raises(TypeError, match=r"around is a generator; what comes after its yield is a hook of its own"):
        on_shutdown(around)
    with pytest.raises(TypeError, match=r"'nothing' is not a function"):
        on_startup("nothing")
    with pytest.raises(ValueError, match="more than 0 seconds"):
        on_startup(timeout=0)
    assert (startstop.startup, startstop.shutdown) == ([], [])


def test_importing_them_needs_neither_django_nor_the_extension(tmp_path: Path) -> None:
    package = tmp_path / "turnout"
    package.mkdir()
    for name in ("__init__.py", "startstop.py"):
        shutil.copy(Path(turnout.__file__).with_name(name), package)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from turnout import on_startup\n"
        "@on_startup\ndef hook(): print('ran')\n"
        "print('django' in sys.modules, 'turnout._turnout' in sys.modules, 'asyncio' in sys.modules)"
    )
    # -I -S: without site-packages, so without Django.
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == ("False False False\n", "")
