"""The admin socket is off unless asked for, on an address of its own, and opens to those who have the token."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from admin_socket import APPS, TOKEN, ask, token_file
from harness import run, serve
from wire import get

ADMIN = ["--admin", "127.0.0.1:0"]


def test_nothing_is_served_unless_asked_for() -> None:
    with serve(["asgi_app:plain"], cwd=APPS) as server:
        assert server.admin == ""
        assert "off; --admin 127.0.0.1:9180" in server.log


def test_it_is_never_on_the_public_address() -> None:
    with serve(["asgi_app:plain", *ADMIN], cwd=APPS) as server:
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/now", "/login"):
            assert get(server.url, path).text == "plain", f"{path} is the application's"
        assert ask(server, "/healthz").text == "alive\n"
        assert ask(server, "/somewhere").status == 404, "and the application is not there"
        assert re.search(rf"^ +admin +{re.escape(server.admin)}$", server.log, re.MULTILINE)


@pytest.mark.parametrize("bind", ["127.0.0.1:{port}", "unix:{folder}/one.sock"])
def test_an_address_that_bind_serves_is_refused(bind: str, tmp_path: Path) -> None:
    address = bind.format(port=47_391, folder=tmp_path)
    ended = run(["serve", "asgi_app:plain", "--bind", address, "--admin", address], cwd=APPS)
    assert ended.returncode == 2
    assert f"--admin {address}: --bind serves that address to everybody" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--admin", "9180"], "--admin `9180` is not an address to listen on"),
        (["--admin", "127.0.0.1:0", "--admin-token-file", "nothing"], "--admin-token-file"),
        (["--admin", "127.0.0.1:0", "--admin-token-file", "short"], "openssl rand -hex 32"),
        (["--admin", "127.0.0.1:0", "--admin-token-file", "open"], "chmod 600"),
    ],
)
def test_a_slip_is_one_line_that_says_what_to_do(options: list[str], said: str, tmp_path: Path) -> None:
    for name, content, mode in (("short", "abc", 0o600), ("open", TOKEN, 0o644)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    ended = run(["serve", "asgi_app:plain", "--bind", "127.0.0.1:0", *options], cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert TOKEN not in ended.stderr


def test_the_token_of_a_file_opens_it(tmp_path: Path) -> None:
    with serve(["asgi_app:plain", *ADMIN, "--admin-token-file", token_file(tmp_path)], cwd=APPS) as server:
        for path in ("/api/v1/now", "/metrics"):
            assert ask(server, path).status == 200
            assert ask(server, path, token=None).status == 401
            assert ask(server, path, token=TOKEN[:-1]).status == 401
        assert ask(server, "/", token=None).status == 200
        assert ask(server, "/api/v1/now", Host="evil.example").status == 403
        assert ask(server, "/api/v1/now", Origin="http://evil.example").status == 403
        assert server.stop() == 0
    assert TOKEN not in server.log


def test_the_variable_that_top_reads_may_be_a_url() -> None:
    with serve(["asgi_app:plain"], cwd=APPS, env={"TURNOUT_ADMIN": "http://127.0.0.1:0/"}) as server:
        assert ask(server, "/healthz").text == "alive\n"


def test_metrics_are_open_without_a_token_file_and_no_link_is_written_to_a_log() -> None:
    with serve(["asgi_app:plain", *ADMIN], cwd=APPS) as server:
        assert ask(server, "/metrics", token=None).status == 200
        assert ask(server, "/api/v1/now", token=None).status == 401
        assert "login" not in server.log


def test_other_machines_are_warned_of() -> None:
    with serve(["asgi_app:plain", "--admin", "0.0.0.0:0"], cwd=APPS) as server:
        assert "warning: other machines can reach the admin socket" in server.log
        assert "--admin-token-file" in server.log


def test_a_further_name_is_given_by_an_option(tmp_path: Path) -> None:
    options = [*ADMIN, "--admin-token-file", token_file(tmp_path), "--admin-host", "admin.example"]
    with serve(["asgi_app:plain", *options], cwd=APPS) as server:
        assert ask(server, "/api/v1/now", Host="admin.example").status == 200
        assert ask(server, "/api/v1/now", Host="admin.example", Origin="https://admin.example").status == 200
        assert ask(server, "/api/v1/now", Host="other.example").status == 403


def test_a_link_at_the_terminal_logs_in_once() -> None:
    terminal, other_end = os.openpty()
    command = [sys.executable, "-m", "turnout", "serve", "asgi_app:plain", "--bind", "127.0.0.1:0", *ADMIN]
    with subprocess.Popen(command, cwd=APPS, stderr=other_end, start_new_session=True) as process:
        os.close(other_end)
        text = ""
        while not (found := re.search(r"works once: (http://[^/]+)(/login\?token=\S+)\r?\n", text)):
            text += os.read(terminal, 4096).decode()
        address, link = found.groups()
        answer = get(address, link)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert ask(address, "/api/v1/now", token=None, Cookie=cookie).status == 200
        assert get(address, link).status == 401
        os.killpg(process.pid, signal.SIGKILL)
    os.close(terminal)
