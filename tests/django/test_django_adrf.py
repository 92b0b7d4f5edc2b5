"""ADRF over the real server: each answer is the one that Django's own ASGIHandler gives, and a thread is for what may
block or is the project's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from adrf_requests import MAY_BLOCK, ON_LOOP, Asked, basic, session, token
from harness import Serving, serve
from wire import get

SITE = Path(__file__).resolve().parent.parent / "projects" / "adrf_site"
SEED = "import django; django.setup(); from apis.seed import seed; seed()"
# A server's own: how the connection goes on, and who it is.
SERVERS = frozenset(("date", "server", "connection", "keep-alive", "transfer-encoding"))
HOST = ("Host", "v1.example.com")

# Random, or by the clock.
MASKS = (
    (r"\b[A-Za-z0-9]{64}\b|\b[A-Za-z0-9]{32}\b", "*"),
    (r"available in \d+ seconds", "available in * seconds"),
    (r"expires=[^;]+", "expires=*"),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The environment of a process with the project and a database of its own, all of them alike."""
    folder = tmp_path_factory.mktemp("adrf")
    path = os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")]))
    # ADRF takes the order of a function's methods from a set.
    usual = {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "apis.settings", "PYTHONHASHSEED": "0"}
    first = folder / "first"
    subprocess.run([sys.executable, "-c", SEED], check=True, env={**os.environ, **usual, "ADRF_DB": str(first)})

    def environment(name: str) -> dict[str, str]:
        shutil.copy(first, folder / name)
        return {**usual, "ADRF_DB": str(folder / name)}

    return environment


@pytest.fixture(scope="module")
def ours(database) -> Iterator[Serving]:
    # What turnout adds for staff is no part of the answer that Django gives.
    options = ["--drain", "1s", "--server-timing", "off"]
    with serve(["apis.watched:application", *options], cwd=SITE, env=database("ours")) as serving:
        yield serving


@pytest.fixture(scope="module")
def django(database) -> Iterator[Callable[[Asked], tuple[int, Any, str]]]:
    command = [sys.executable, str(SITE / "djangos_own.py")]
    environment = {**os.environ, **database("djangos")}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:

        def ask(asked: Asked) -> tuple[int, Any, str]:
            print(json.dumps([asked.method, asked.path, headers_of(asked), asked.body]), file=process.stdin, flush=True)
            status, headers, body = json.loads(process.stdout.readline())
            return shown(status, headers, body)

        yield ask
        process.stdin.close()


def headers_of(asked: Asked) -> list[tuple[str, str]]:
    length = [("Content-Length", str(len(asked.body.encode())))] if asked.body else []
    return [HOST, *asked.headers, *length]


def shown(status: int, headers: Any, body: str) -> tuple[int, Any, str]:
    """What must be equal."""
    kept = [(name.lower(), masked(value)) for name, value in headers if name.lower() not in SERVERS]
    kept = [(name, "*" if name == "retry-after" else value) for name, value in kept]
    if status == 204:
        # RFC 9110 section 8.6: there is no length of what is not there.
        kept = [(name, value) for name, value in kept if name != "content-length"]
    return status, sorted(kept), masked(body)


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def answered(serving: Serving, asked: Asked) -> tuple[int, Any, str]:
    answer = get(
        serving.url, asked.path, method=asked.method, headers=dict(headers_of(asked)), body=asked.body.encode() or None
    )
    return shown(answer.status, answer.headers.items(), answer.body.decode("latin-1"))


def named(asked: Asked) -> str:
    return f"{asked.method} {asked.path}"


@pytest.mark.parametrize("asked", [*ON_LOOP, *MAY_BLOCK], ids=named)
def test_answers_are_those_of_djangos_own_handler_and_hops_are_told(asked, ours, django):
    get(ours.url, "/hopped/")
    assert answered(ours, asked) == django(asked)
    assert tuple(json.loads(get(ours.url, "/hopped/").body)["hops"]) == asked.hops


@pytest.mark.parametrize("header", [basic("ada"), session("ada"), token("ada")], ids=["basic", "session", "token"])
def test_the_users_of_the_seed_are_known(header, ours):
    """Or the comparison would show that nobody is logged in on either side."""
    path = "/tells-apart/" if header[1].startswith("Token") else "/says/"
    assert '"user":"ada"' in answered(ours, Asked(path, headers=(header,)))[2]


def test_what_blocks_for_nothing_takes_no_thread(database):
    with serve(["apis.asgi:application", "--drain", "1s"], cwd=SITE, env=database("threadless")) as serving:
        for asked in ON_LOOP:
            answered(serving, asked)
            hops = json.loads(get(serving.url, "/threads/").body)["hops"]
            assert hops == [], asked


def test_requests_that_wait_hold_no_thread(database):
    with serve(["apis.asgi:application", "--drain", "1s"], cwd=SITE, env=database("waiting")) as serving:
        with ThreadPoolExecutor(40) as clients:
            answers = [clients.submit(get, serving.url, "/waits/?seconds=0.5") for _ in range(40)]
            assert all(json.loads(answer.result().body) == {"waited": True} for answer in answers)
        assert json.loads(get(serving.url, "/threads/").body)["hops"] == []


def test_functions_are_hashed_at_the_start_and_not_for_each_request(ours):
    noted = []
    for _ in range(3):
        answered(ours, Asked("/says/"))
        noted.append(json.loads(get(ours.url, "/hopped/").body)["hashed"])
    assert noted[-1] == []


def test_a_change_of_one_token_in_any_function_that_was_read_is_seen():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "apis.settings"}
    ran = subprocess.run([sys.executable, "mutations.py"], cwd=SITE, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
