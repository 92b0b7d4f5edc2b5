"""Streams whose content is not sent (HEAD, 204, 304): as Django's own handlers answer, and closed like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from harness import serve
from wire import Client

SITE = Path(__file__).parents[1] / "projects" / "requests_site"
# The server's own affair.
OWN = {"date", "server", "connection", "transfer-encoding"}


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def both(request):
    """turnout, and a function that asks Django's own handler the same."""
    kind = request.param
    command = [sys.executable, "-W", "ignore", SITE / "djangos_own.py", kind]
    # Other tests of the session may have named the settings of another project.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shown.settings"}
    own = subprocess.Popen(command, cwd=SITE, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(method, path):
        own.stdin.write(json.dumps([method, path]) + "\n")
        own.stdin.flush()
        return json.loads(own.stdout.readline())

    try:
        with serve([f"shown.{kind}:application"], cwd=SITE, env={"PYTHONWARNINGS": "ignore"}) as server:
            yield server, ask
    finally:
        own.kill()
        own.communicate()


@pytest.mark.parametrize("iterator", ["sync", "async"])
@pytest.mark.parametrize("track", ["sync", "async", "conditional"])
@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_is_answered_as_by_django_and_closed_once(both, method, status, track, iterator):
    server, ask = both
    path = f"/special/bare/{track}/{status}?iterator={iterator}"
    expected_status, expected_headers, expected_body = ask(method, path)
    counted = ("closed the stream", "signal on")
    before = [server.log.count(text) for text in counted]
    with closing(Client(server.url)) as client:
        # The second one finds the connection as the first should have left it.
        for _ in range(2):
            answer = client.call(path, method)
            assert answer.status == expected_status == status
            assert answer.text == expected_body
            assert fields(answer.headers.items()) == fields(expected_headers)
            assert ("Content-Length" in answer.headers) is False
    server.wait_for_log("signal on", times=before[1] + 2)
    assert [server.log.count(text) for text in counted] == [count + 2 for count in before]


def fields(headers):
    return sorted((name.lower(), value) for name, value in headers if name.lower() not in OWN)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_condition_that_holds_makes_no_stream(both, method):
    server, _ = both
    closed = server.log.count("closed the stream")
    with closing(Client(server.url)) as client:
        answer = client.call("/special/bare/conditional/200?iterator=sync", method, headers={"If-None-Match": '"1"'})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", '"1"')
    assert server.log.count("closed the stream") == closed
