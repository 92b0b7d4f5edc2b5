"""`turnout serve` starts, says what it serves, and refuses in one line what it cannot serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from harness import run, serve
from wire import get

APPS = Path(__file__).parents[1] / "projects" / "serve"


def test_it_listens_on_every_bind_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with serve(["wsgi_app:app", "--bind", "127.0.0.1:0", "--bind", f"unix:{path}"], cwd=APPS) as server:
        tcp, unix = server.addresses
        assert (tcp.startswith("http://127.0.0.1:"), unix) == (True, f"unix:{path}")
        assert get(tcp).text == get(unix).text == str(server.workers[0])
        assert server.stop() == 0
    assert "turnout 0.1.0 serves wsgi_app" in server.log
    assert not path.exists()


def test_the_banner_says_what_the_numbers_mean() -> None:
    with serve(["wsgi_app:app", "--threads", "7", "--access-log", "json"], cwd=APPS) as server:
        log = server.log
    assert "wsgi_app:app, WSGI: it is a plain callable" in log
    assert "up to 7 run sync code" in log
    assert "json, to standard output" in log
    assert f"Listening on {server.url} with 1 worker (pid {server.workers[0]})." in log
    assert "\x1b" not in log


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_and_can_be_refused(environment: dict[str, str], coloured: bool) -> None:
    terminal, other_end = os.openpty()
    command = [sys.executable, "-m", "turnout", "serve", "wsgi_app:app", "--bind", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=APPS, stderr=other_end, env={**os.environ, "TERM": "xterm", **environment}, start_new_session=True
    ) as process:
        os.close(other_end)
        text = b""
        while b"Listening on" not in text:
            text += os.read(terminal, 4096)
        os.killpg(process.pid, signal.SIGKILL)
    os.close(terminal)
    assert (b"\x1b[1m" in text) == coloured


def test_settings_come_from_files_and_variables_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.turnout]\napp = "app:hello"\nworkers = 2\nthreads = 3\n')
    (tmp_path / "app.py").write_text(
        "def hello(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
    )
    with serve(cwd=tmp_path, env={"TURNOUT_THREADS": "5"}) as server:
        assert get(server.url).text == "hello"
        assert len(server.workers) == 2
        assert "up to 5 run sync code" in server.log


def test_reuse_port_gives_each_worker_a_socket_of_its_own() -> None:
    with serve(["wsgi_app:app", "--workers", "2", "--reuse-port"], cwd=APPS) as server:
        inodes = [
            {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
            & listening(server.port)
            for pid in server.workers
        ]
        assert [len(inode) for inode in inodes] == [1, 1]
        assert inodes[0] != inodes[1]
        assert get(server.url).status == 200


def listening(port: int) -> set[str]:
    """The sockets that listen on a port, as /proc/PID/fd names them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}


def test_a_port_in_use_is_one_line_and_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(["serve", "wsgi_app:app", "--bind", address], cwd=APPS)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"turnout: {address} is in use: another process listens there\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--workerz", "2"], "--workerz: no such option, did you mean --workers?"),
        (["--threads", "none"], "--threads none: must be a whole number from 1 to 16384"),
        (["--bind", "nowhere"], "`nowhere` is not an address to listen on: give HOST:PORT, [IPV6]:PORT or unix:PATH"),
        (["missing:app"], f"no module named missing: looked in {APPS} and in Python's path"),
        (["wsgi_app:nothing"], "module wsgi_app has no attribute nothing: it has app"),
        (["wsgi_app:not_callable"], "wsgi_app:not_callable is a dict, not an application: it cannot be called"),
        (["./wsgi_app.py"], "./wsgi_app.py: write module:attribute, such as wsgi_app:application"),
        (
            ["wsgi_app:app", "--interface", "django"],
            "wsgi_app:app is a function, not a Django handler: --interface wsgi serves it",
        ),
        (
            [],
            f"no manage.py in {APPS} or above: go to a Django project, or name an application, "
            "such as turnout serve mysite.wsgi:application",
        ),
    ],
)
def test_a_slip_is_one_line_and_2(arguments: list[str], line: str) -> None:
    if "--bind" not in arguments:
        arguments = [*arguments, "--bind", "127.0.0.1:0"]
    ended = run(["serve", *arguments], cwd=APPS)
    assert (ended.stderr, ended.returncode) == (f"turnout: {line}\n", 2)


def test_the_project_s_own_traceback_is_shown_without_turnout_s_frames() -> None:
    ended = run(["serve", "broken:app", "--bind", "127.0.0.1:0"], cwd=APPS)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == [
        "ValueError: the weather is bad",
        "turnout: importing broken failed with ValueError: the weather is bad",
    ]
    assert lines[1] == f'  File "{APPS}/broken.py", line 8, in <module>'


def test_a_module_that_misses_another_shows_where() -> None:
    ended = run(["serve", "needs_missing:app", "--bind", "127.0.0.1:0"], cwd=APPS)
    assert ended.returncode == 1
    assert f'File "{APPS}/needs_missing.py", line 3' in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("turnout: importing needs_missing failed with ModuleNotFoundError")


def test_a_worker_that_fails_ends_a_server_of_several() -> None:
    ended = run(["serve", "broken:app", "--workers", "3", "--bind", "127.0.0.1:0"], cwd=APPS)
    assert ended.returncode == 1


def test_help_and_version_go_to_standard_output() -> None:
    for arguments in (["--help"], ["serve", "--help"], ["--version"], []):
        ended = run(arguments)
        assert (ended.returncode, ended.stderr) == (0, ""), arguments
    assert "--max-in-flight" in run(["serve", "--help"]).stdout


def test_a_worker_is_not_started_by_hand() -> None:
    ended = subprocess.run([sys.executable, "-m", "turnout.worker"], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr == "turnout: a worker is started by `turnout serve`, not by hand\n"
