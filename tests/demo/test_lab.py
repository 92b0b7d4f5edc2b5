"""The simulated upstreams as Python sees them: what they speak, and when they hang up."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from turnout._turnout import LabUpstreams


@contextmanager
def upstreams(**options: object) -> Iterator[LabUpstreams]:
    running = LabUpstreams(**options)
    try:
        yield running
    finally:
        running.stop()


def believing(authority: str | None) -> ssl.SSLContext:
    assert authority is not None
    context = ssl.create_default_context(cadata=authority)
    context.set_alpn_protocols(["http/1.1"])
    return context


def test_upstreams_speak_tls_to_those_who_believe_their_authority() -> None:
    with upstreams(tls=True) as running:
        where = urlsplit(running.url)
        assert where.scheme == "https"
        connection = http.client.HTTPSConnection(
            "localhost", where.port, context=believing(running.authority), timeout=20
        )
        connection.request("GET", "/?ms=2")
        answer = connection.getresponse()
        assert json.loads(answer.read()) == {"ms": 2}
        stranger = http.client.HTTPSConnection("localhost", where.port, timeout=20)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/")
        stranger.close()
        connection.close()


def test_the_stamps_of_an_answer_are_moments_of_the_clock_that_all_processes_share() -> None:
    with upstreams() as running:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(running.url).port, timeout=20)
        before = time.monotonic_ns()
        connection.request("GET", "/?ms=3.5")
        answer = connection.getresponse()
        answer.read()
        after = time.monotonic_ns()
        connection.close()
    read, written = int(answer.headers["x-read-at"]), int(answer.headers["x-written-at"])
    assert before < read < written < after
    assert float(answer.headers["x-waited-ms"]) == pytest.approx((written - read) / 1e6, abs=0.001)
    assert written - read >= 3_500_000


def test_an_idle_connection_is_closed_without_a_word() -> None:
    with upstreams(idle=0.02) as running:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(running.url).port, timeout=20)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["connection"] is None
        # Returns when the upstream has closed.
        assert connection.sock.recv(1) == b""
        connection.close()
