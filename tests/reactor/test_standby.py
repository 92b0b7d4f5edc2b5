"""Requirements 13 and 14: the network goes on while Python does not; nothing is lost when the runtime changes hands."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop, new_event_loop

from .conftest import PATIENCE, Client, eventually, in_thread

testing = _turnout._testing


def blocked(loop: TurnoutLoop, during: Callable[[], object]) -> None:
    """Keep the loop's thread in one callback while `during` runs in another thread."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            during()
        except BaseException as error:
            errors.append(error)

    async def main() -> None:
        await asyncio.sleep(0)
        thread = in_thread(run)
        thread.join(3 * PATIENCE)
        assert not thread.is_alive()

    loop.run_until_complete(main())
    if errors:
        raise errors[0]


def test_connections_are_accepted_and_answered_while_python_blocks(
    loop: TurnoutLoop, connect: Callable[[int], Client]
) -> None:
    server = testing.EchoServer(loop.reactor)

    def during() -> None:
        clients = [connect(server.port) for _ in range(8)]
        for _ in range(5):
            assert [client.ask(b"x\n") for client in clients] == [b"x\n"] * 8

    blocked(loop, during)
    assert server.accepted == 8
    assert loop.reactor.stats()["crossings"] == 0


def test_connections_are_answered_while_python_computes(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    server = testing.EchoServer(loop.reactor)
    answered = threading.Event()

    def ask() -> None:
        assert connect(server.port).ask(b"x\n") == b"x\n"
        answered.set()

    async def main() -> None:
        await asyncio.sleep(0)
        in_thread(ask)
        limit = time.monotonic() + PATIENCE
        while not answered.is_set():
            assert time.monotonic() < limit
            sum(range(1000))

    loop.run_until_complete(main())


def test_idle_connections_time_out_while_python_blocks(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    server = testing.EchoServer(loop.reactor, idle=0.05)

    def during() -> None:
        idle = [connect(server.port) for _ in range(4)]
        assert [client.file.readline() for client in idle] == [b""] * 4
        assert server.timed_out == 4

    blocked(loop, during)


def test_completions_of_other_threads_are_carried_out_while_python_blocks(loop: TurnoutLoop) -> None:
    probe = testing.Probe(loop.reactor)
    probe.tick(0.001)

    def during() -> None:
        for count in range(1, 6):
            probe.complete()
            eventually(lambda count=count: probe.completed == count)
        ticks = probe.ticks
        eventually(lambda: probe.ticks > ticks + 10)

    blocked(loop, during)


def test_requests_sent_during_a_block_reach_python_after_it(
    loop: TurnoutLoop, connect: Callable[[int], Client]
) -> None:
    server = testing.EchoServer(loop.reactor, lambda line, reply: reply(line.upper()), idle=PATIENCE)
    clients: list[Client] = []

    def during() -> None:
        clients.extend(connect(server.port) for _ in range(16))
        for client in clients:
            client.socket.sendall(b"x\n")
        eventually(lambda: server.accepted == 16)

    blocked(loop, during)
    answers = loop.run_until_complete(asyncio.to_thread(lambda: [client.file.readline() for client in clients]))
    assert answers == [b"X\n"] * 16


def test_the_network_works_while_the_loop_does_not_run(connect: Callable[[int], Client]) -> None:
    loop = new_event_loop()
    loop.reactor.start_runtime()
    server = testing.EchoServer(loop.reactor)
    assert connect(server.port).ask(b"x\n") == b"x\n"
    loop.run_until_complete(asyncio.sleep(0))
    assert connect(server.port).ask(b"y\n") == b"y\n"
    loop.close()


def test_rust_only_traffic_does_not_hold_up_timers_of_python(loop: TurnoutLoop) -> None:
    server = testing.EchoServer(loop.reactor)
    stop = threading.Event()

    def traffic() -> None:
        client = Client(server.port)
        while not stop.is_set():
            assert client.ask(b"x\n") == b"x\n"
        client.close()

    threads = [in_thread(traffic) for _ in range(4)]

    async def main() -> None:
        for _ in range(20):
            await asyncio.sleep(0.005)
        stop.set()

    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    for thread in threads:
        thread.join(PATIENCE)
    assert server.answered > 0


def test_python_that_is_always_ready_does_not_hold_up_rust(loop: TurnoutLoop, connect: Callable[[int], Client]) -> None:
    server = testing.EchoServer(loop.reactor)

    async def main() -> list[bytes]:
        asking = loop.run_in_executor(None, lambda: [connect(server.port).ask(b"x\n") for _ in range(20)])
        while not asking.done():
            await asyncio.sleep(0)
        return await asking

    assert loop.run_until_complete(main()) == [b"x\n"] * 20


@pytest.mark.parametrize("busy", ["callbacks", "descriptor"])
def test_every_turn_of_a_loop_that_never_waits_lets_rust_work(loop: TurnoutLoop, busy: str) -> None:
    """Requirement 12. Were the runtime left to the standby, each answer would take a turn of its own of it."""
    server = testing.EchoServer(loop.reactor)
    client = socket.create_connection(("127.0.0.1", server.port))
    client.setblocking(False)
    answers = 200
    left, right = socket.socketpair()
    if busy == "descriptor":
        # Always writable.
        loop.add_writer(left, lambda: None)

    async def main() -> None:
        for _ in range(answers):
            client.send(b"x\n")
            while True:
                await asyncio.sleep(0)
                with suppress(BlockingIOError):
                    assert client.recv(16) == b"x\n"
                    break

    before = loop.reactor.stats()["standby_turns"]
    loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    assert loop.reactor.stats()["standby_turns"] - before < answers / 2
    loop.remove_writer(left)
    for each in (client, left, right):
        each.close()


def test_nothing_is_lost_when_the_runtime_changes_hands_all_the_time(loop: TurnoutLoop) -> None:
    """Native threads push both ways while the loop thread parks, computes a little, and stays away long enough."""
    probe = testing.Probe(loop.reactor)
    threads, each = 6, 4000
    got = 0

    def count(_number: int) -> None:
        nonlocal got
        got += 1

    async def main() -> None:
        probe.hammer(threads, each, count)
        probe.hammer_complete(threads, each)
        step = 0
        while got < threads * each or probe.completed < threads * each:
            step += 1
            if step % 7 == 0:
                time.sleep(0.004)  # away: the standby takes over
            elif step % 3 == 0:
                time.sleep(0.002)  # just as it wants to
            await asyncio.sleep(0.001 if step % 2 else 0)

    loop.run_until_complete(asyncio.wait_for(main(), 3 * PATIENCE))
    assert got == threads * each
    assert probe.completed == threads * each
    stats = loop.reactor.stats()
    assert stats["standby_turns"] > 10
    assert stats["reclaims"] > 10


def test_a_parked_loop_is_woken_by_every_single_delivery(loop: TurnoutLoop) -> None:
    """No timer and no callback: if one wake-up were lost this would never end."""
    probe = testing.Probe(loop.reactor)
    got = 0

    def count(_number: int) -> None:
        nonlocal got
        got += 1
        if got < 500:
            # The next one comes from a native thread while this thread goes back to sleep.
            probe.hammer(1, 1, count)
        else:
            loop.stop()

    probe.hammer(1, 1, count)
    loop.run_forever()
    assert got == 500


def test_an_idle_reactor_wakes_nobody(loop: TurnoutLoop) -> None:
    testing.EchoServer(loop.reactor)

    def standby_switches() -> int:
        for status in Path("/proc/self/task").glob("*/status"):
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if lines["Name"].strip() == "turnout-standby":
                return int(lines["voluntary_ctxt_switches"])
        raise AssertionError("no standby")

    def observe() -> int:
        time.sleep(0.1)  # let the loop fall asleep, and the standby after it
        before = standby_switches()
        time.sleep(0.5)
        return standby_switches() - before

    # A standby that looked every millisecond would have slept 500 times; the machine may wake the loop now and then.
    assert loop.run_until_complete(asyncio.to_thread(observe)) < 20


def test_the_standby_ends_with_the_loop() -> None:
    def standbys() -> int:
        names = []
        for name in Path("/proc/self/task").glob("*/comm"):
            try:
                names.append(name.read_text().strip())
            except OSError:  # it ended just now
                continue
        return names.count("turnout-standby")

    before = standbys()
    loop = new_event_loop()
    loop.reactor.start_runtime()
    eventually(lambda: standbys() == before + 1)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    eventually(lambda: standbys() == before)
