"""Requirements 2, 4 and 8: Python's descriptors and deadlines behave as on the stdlib's selector."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket

import pytest

from turnout import _turnout
from turnout.loop import ReactorSelector, TurnoutLoop

from .conftest import PATIENCE


@pytest.fixture(params=["plain", "runtime"])
def selector(request: pytest.FixtureRequest):
    selector = ReactorSelector()
    if request.param == "runtime":
        selector.reactor.start_runtime()
    yield selector
    selector.close()


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    yield left, right
    left.close()
    right.close()


def test_a_reader_that_takes_one_byte_at_a_time_gets_all_ten(any_loop: TurnoutLoop, pair) -> None:
    left, right = pair
    got: list[bytes] = []

    def read() -> None:
        got.append(left.recv(1))
        if len(got) == 10:
            any_loop.stop()

    any_loop.add_reader(left, read)
    right.send(b"0123456789")
    # Nothing but the descriptor drives it: a lost edge would park it for good.
    any_loop.run_forever()
    any_loop.remove_reader(left)
    assert b"".join(got) == b"0123456789"


def test_a_reader_gets_every_byte_while_rust_is_busy(loop: TurnoutLoop, pair) -> None:
    left, right = pair
    probe = _turnout._testing.Probe(loop.reactor)
    probe.tick(0.0)
    got = 0

    async def main() -> None:
        nonlocal got
        done = loop.create_future()

        def read() -> None:
            nonlocal got
            got += len(left.recv(1))
            if got == 1000:
                done.set_result(None)

        loop.add_reader(left, read)
        right.send(b"x" * 1000)
        await asyncio.wait_for(done, PATIENCE)
        loop.remove_reader(left)

    loop.run_until_complete(main())
    assert got == 1000


def test_a_descriptor_that_is_ready_already_is_seen(selector: ReactorSelector, pair) -> None:
    left, right = pair
    right.send(b"x")
    key = selector.register(left, selectors.EVENT_READ, "data")
    assert selector.select(PATIENCE) == [(key, selectors.EVENT_READ)]
    assert selector.select(PATIENCE) == [(key, selectors.EVENT_READ)]
    left.recv(1)
    assert selector.select(0) == []


def test_writable_readable_and_hang_up(selector: ReactorSelector, pair) -> None:
    left, right = pair
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    selector.register(left, both)
    assert [mask for _, mask in selector.select(PATIENCE)] == [selectors.EVENT_WRITE]
    right.close()
    assert [mask for _, mask in selector.select(PATIENCE)] == [both]
    key = selector.modify(left, selectors.EVENT_READ, "new")
    assert selector.select(PATIENCE) == [(key, selectors.EVENT_READ)]


def test_more_descriptors_than_one_batch(selector: ReactorSelector) -> None:
    pairs = [socket.socketpair() for _ in range(300)]
    try:
        for left, right in pairs:
            selector.register(left, selectors.EVENT_READ)
            right.send(b"x")
        seen = set()
        while len(seen) < 300:
            for key, _ in selector.select(PATIENCE):
                seen.add(key.fd)
                key.fileobj.recv(1)
        assert selector.select(0) == []
    finally:
        for left, right in pairs:
            selector.unregister(left)
            left.close()
            right.close()


def test_a_refused_descriptor_is_an_oserror_and_leaves_no_trace(selector: ReactorSelector, tmp_path) -> None:
    with open(tmp_path / "file", "w") as file, pytest.raises(PermissionError):  # epoll takes no regular files
        selector.register(file, selectors.EVENT_READ)
    assert len(selector.get_map()) == 0
    with pytest.raises(OSError, match=r".") as error:
        selector.register(1_000_000, selectors.EVENT_READ)
    assert error.value.errno == errno.EBADF
    assert len(selector.get_map()) == 0
    assert selector.select(0) == []


def test_a_failed_modify_unregisters(selector: ReactorSelector, pair) -> None:
    left, _ = pair
    number = os.dup(left.fileno())
    selector.register(number, selectors.EVENT_READ)
    os.close(number)
    with pytest.raises(OSError, match=r"."):
        selector.modify(number, selectors.EVENT_WRITE)
    assert len(selector.get_map()) == 0


def test_a_descriptor_closed_without_unregister_is_tolerated(selector: ReactorSelector, pair) -> None:
    left, right = pair
    number = os.dup(left.fileno())
    selector.register(number, selectors.EVENT_READ)
    os.close(number)
    assert selector.select(0) == []
    selector.unregister(number)
    with pytest.raises(KeyError):
        selector.unregister(number)
    # Its number is somebody else's now.
    assert os.dup(right.fileno()) == number
    selector.register(number, selectors.EVENT_WRITE)
    assert [key.fd for key, _ in selector.select(PATIENCE)] == [number]
    selector.unregister(number)
    os.close(number)


@pytest.mark.parametrize("timeout", [0, 0.0, -1, -1e300, 1e-9, 0.01, float("-inf"), float("nan")])
def test_a_timeout_ends(selector: ReactorSelector, timeout: float) -> None:
    assert selector.select(timeout) == []


@pytest.mark.parametrize("timeout", [None, 1e9, 1e300, float("inf")])
def test_a_timeout_without_end_is_ended_by_a_descriptor(selector: ReactorSelector, pair, timeout: float | None) -> None:
    left, right = pair
    right.send(b"x")
    selector.register(left, selectors.EVENT_READ)
    assert len(selector.select(timeout)) == 1


def test_the_map_is_that_of_a_selector(selector: ReactorSelector, pair) -> None:
    left, right = pair
    key = selector.register(left, selectors.EVENT_READ, 1)
    assert selector.get_key(left) == key
    with pytest.raises(KeyError):
        selector.register(left, selectors.EVENT_READ)
    with pytest.raises(ValueError, match=r"."):
        selector.register(right, 0)
    with pytest.raises(KeyError):
        selector.modify(right, selectors.EVENT_READ)


def test_timers_fire_in_order_and_never_early(any_loop: TurnoutLoop) -> None:
    fired: list[float] = []
    early: list[float] = []

    def fire(due: float) -> None:
        fired.append(due)
        # asyncio itself runs what is due within one tick of its clock.
        if any_loop.time() < due - 0.001:
            early.append(due)
        if len(fired) == 200:
            any_loop.stop()

    start = any_loop.time() + 0.01
    dues = [start + number * 0.0007 for number in range(200)]
    for due in dues:
        any_loop.call_at(due, fire, due)
    any_loop.run_forever()
    assert fired == dues
    assert early == []
