"""`turnout.testing.LiveServer`: an application behind turnout's own sockets in the process of its tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from wire import Later, get

from turnout.lifespan import LifespanError
from turnout.testing import LiveServer


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read() or b"%d %s" % (os.getpid(), threading.current_thread().name.encode())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


class Lifecycle:
    """An ASGI application that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = (await receive())["type"]
                self.told.append(message)
                await send({"type": f"{message}.complete"})
            return
        self.told.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_a_wsgi_application_is_answered_by_this_process() -> None:
    with LiveServer(wsgi, threads=2) as server:
        pid, thread = get(server.url).text.split()
        assert int(pid) == os.getpid()
        assert thread.startswith("turnout-sync-")
        assert get(server.url, method="POST", body=b"sent").body == b"sent"


def test_an_asgi_application_has_its_lifespan() -> None:
    application = Lifecycle()
    with LiveServer(application) as server:
        assert application.told == ["lifespan.startup"]
        assert get(server.url, "/x").body == b"/x"
    assert application.told == ["lifespan.startup", "/x", "lifespan.shutdown"]


def test_an_application_that_does_not_start_is_an_exception_of_the_caller() -> None:
    async def refuses(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = LiveServer(refuses)
    with pytest.raises(LifespanError, match="no database"):
        server.start()
    assert refused(server.port)


def test_several_at_once_and_again() -> None:
    for _ in range(3):
        with LiveServer(wsgi) as one, LiveServer(Lifecycle()) as other:
            assert one.port != other.port
            assert get(other.url, "/y").body == b"/y"
            assert get(one.url).status == 200


@pytest.fixture
def gate() -> Iterator[tuple[threading.Event, threading.Event]]:
    entered, leave = threading.Event(), threading.Event()
    yield entered, leave
    leave.set()


def test_a_request_in_flight_is_answered_before_the_end(gate) -> None:
    entered, leave = gate

    def waits(environ, start_response):
        entered.set()
        leave.wait(30)
        return wsgi(environ, start_response)

    server = LiveServer(waits)
    server.start()
    answer = Later(get, server.url)
    assert entered.wait(30)
    ending = Later(server.stop)
    while not refused(server.port):
        assert not answer.done
    leave.set()
    assert answer.result().status == 200
    ending.result()


def test_a_thread_that_ends_may_be_the_one_that_loads_the_extension() -> None:
    """The allocator once took such a thread's heap for that of the next one: a crash."""
    program = """
import threading

def use():
    from turnout.testing import LiveServer
    server = LiveServer(lambda environ, start_response: [b""])
    server.start()
    server.stop()

for _ in range(5):
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert (run.returncode, run.stderr) == (0, "")


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_options_are_those_of_turnout_serve(tmp_path: Path) -> None:
    with LiveServer(wsgi, bind=f"unix:{tmp_path / 'socket'}", max_body=3) as server:
        assert get(server.url, method="POST", body=b"sent").status == 413
        assert get(server.url, method="POST", body=b"sen").body == b"sen"
    with pytest.raises(TypeError, match="no_such_option"):
        LiveServer(wsgi, no_such_option=1)
