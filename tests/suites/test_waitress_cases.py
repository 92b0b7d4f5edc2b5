"""waitress's functional tests as cases of our own, over TCP and over a Unix socket."""

from contextlib import suppress
from pathlib import Path

import pytest
from harness import serve
from raw import Wire
from suites.waitress_cases import CHUNKED, EVERYTHING, LENGTH, NOTHING, TO_THE_END, request

PROJECT = Path(__file__).parents[1] / "projects" / "wsgi"
CASES = [(area, case) for area, cases in EVERYTHING.items() for case in cases]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def address(request, tmp_path_factory):
    bind = "127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path_factory.mktemp('socket')}/s"
    limits = ["--max-head", "4KiB", "--max-body", "1060"]
    with serve(["functional_app:app", "--interface", "wsgi", "--bind", bind, *limits], cwd=PROJECT) as server:
        yield server.addresses[0]


@pytest.mark.parametrize(("area", "case"), CASES, ids=[f"{area}: {case.name}" for area, case in CASES])
def test_case(address, area, case):
    wire = Wire(address)
    try:
        wire.send(case.sends)
        for number, expected in enumerate(case.answers, 1):
            if case.broken and number == len(case.answers):
                # Less than was promised, and a reset says so; what arrives before it is the network's luck.
                with suppress(ConnectionResetError):
                    head = wire.head()
                    body, was_reset = wire.rest()
                    assert head.status == expected.status
                    assert was_reset or len(body) < int(head["content-length"])
                return
            reply = wire.reply()
            assert reply.status == expected.status
            if expected.body is not None:
                assert reply.body == expected.body
            assert framing(reply) == expected.framed
            assert reply["date"] or reply.status < 200
        assert stays(wire) == case.stays
    finally:
        wire.close()


def framing(reply):
    if reply.status < 200:
        return NOTHING
    if reply["content-length"] is not None:
        return LENGTH
    return CHUNKED if reply["transfer-encoding"] == "chunked" else TO_THE_END


def stays(wire):
    """Whether another request is answered."""
    try:
        wire.send(request(body=b"again"))
        return wire.reply().body == b"again"
    except (ConnectionResetError, BrokenPipeError):
        return False


def test_continue_is_said_to_who_waits_for_it(address):
    wire = Wire(address)
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    head = wire.head()
    assert (head.line, head.fields) == ("HTTP/1.1 100 Continue", [])
    wire.send(b"hello")
    assert wire.reply().body == b"hello"
    wire.close()


def test_fifty_clients_are_answered(address):
    wires = [Wire(address) for _ in range(50)]
    for number, wire in enumerate(wires):
        wire.send(request(body=b"client %d" % number))
    for number, wire in enumerate(wires):
        assert wire.reply().body == b"client %d" % number
        wire.close()
