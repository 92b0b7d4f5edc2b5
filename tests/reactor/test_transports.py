"""Stream transports: the native paths of a read and a write do what the stdlib's own transport does."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from turnout import _turnout
from turnout.loop import TurnoutLoop

from .conftest import PATIENCE

MUCH = 4 * 1024 * 1024


class Recorder(asyncio.Protocol):
    """Writes down what a protocol is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.lost = asyncio.get_running_loop().create_future()

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told.append(("lost", type(exc).__name__))
        self.lost.set_result(None)


async def connected(protocol: asyncio.BaseProtocol) -> tuple[asyncio.Transport, socket.socket]:
    """A transport and the other end of its pair."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
    return transport, theirs


async def received(sock: socket.socket, length: int) -> bytes:
    """So many bytes, or what came until the end."""
    parts = []
    while length > 0 and (part := await asyncio.get_running_loop().sock_recv(sock, length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


# Scenarios: what each returns must be the same on both loops.


async def much_at_once() -> object:
    protocol = Recorder()
    transport, theirs = await connected(protocol)
    with theirs:
        data = bytes(range(256)) * (MUCH // 256)
        transport.write(memoryview(data)[: MUCH // 2])
        transport.write(bytearray(data[MUCH // 2 :]))
        whole = await received(theirs, MUCH) == data
        transport.write(b"after")
        transport.write_eof()
        after = await received(theirs, 100)
        transport.close()
        await protocol.lost
        return whole, after, protocol.told


async def lines_of_every_kind() -> object:
    protocol = Recorder()
    transport, theirs = await connected(protocol)
    with theirs:
        big = [bytes([number]) * 4096 for number in range(256)] * 4
        transport.writelines([b"a", bytearray(b"b"), memoryview(b"c"), b""])
        transport.writelines(part for part in (b"d", b"e"))
        transport.writelines((b"f", b"g"))
        transport.writelines([])
        transport.writelines([b"."] * 2000)
        transport.writelines(big)
        expected = b"abcdefg" + b"." * 2000 + b"".join(big)
        whole = await received(theirs, len(expected)) == expected
        transport.close()
        await protocol.lost
        return whole, protocol.told


async def what_is_refused() -> object:
    protocol = Recorder()
    transport, theirs = await connected(protocol)
    found = []

    def refused(call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception as error:
            found.append(type(error))

    with theirs:
        refused(transport.write, "text")
        refused(transport.write, None)
        refused(transport.writelines, ["text"])
        transport.write(memoryview(b"0123456789")[:0])
        transport.write_eof()
        refused(transport.write, b"x")
        transport.close()
        await protocol.lost
    return found, protocol.told


async def a_peer_that_leaves() -> object:
    protocol = Recorder()
    transport, theirs = await connected(protocol)
    write = transport.write
    theirs.close()
    write(b"nobody reads this")
    await protocol.lost
    for _ in range(3):
        write(b"lost")
    return protocol.told, transport.is_closing()


async def a_protocol_that_fails() -> object:
    told = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: told.append((context["message"], repr(context["exception"])))
    )

    class Failing(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ValueError(data)

    protocol = Failing()
    _, theirs = await connected(protocol)
    with theirs:
        theirs.send(b"x")
        await protocol.lost
    return told, protocol.told


class Buffered(Recorder, asyncio.BufferedProtocol):
    """Offers what it was made with."""

    def __init__(self, buffer: Any) -> None:
        super().__init__()
        self.buffer = buffer

    def get_buffer(self, sizehint: int) -> Any:
        self.told.append(sizehint)
        if isinstance(self.buffer, Exception):
            raise self.buffer
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.told.append((nbytes, bytes(self.buffer[:nbytes])))


def a_buffer(make: Callable[[], Any]) -> Callable[[], Awaitable[object]]:
    async def scenario() -> object:
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        protocol = Buffered(make())
        _, theirs = await connected(protocol)
        with theirs:
            theirs.send(b"0123456789")
            theirs.shutdown(socket.SHUT_WR)
            await protocol.lost
        return told, protocol.told

    return scenario


async def another_protocol() -> object:
    first, second = Recorder(), Buffered(bytearray(4))
    transport, theirs = await connected(first)
    with theirs:
        theirs.send(b"first")
        while not first.told:
            await asyncio.sleep(0)
        transport.set_protocol(second)
        theirs.send(b"second")
        theirs.shutdown(socket.SHUT_WR)
        await second.lost
    return first.told, second.told, transport.get_extra_info("socket").fileno()


async def pauses() -> object:
    protocol = Recorder()
    transport, theirs = await connected(protocol)
    with theirs:
        transport.pause_reading()
        theirs.send(b"x")
        for _ in range(5):
            await asyncio.sleep(0)
        before = list(protocol.told)
        transport.resume_reading()
        theirs.shutdown(socket.SHUT_WR)
        await protocol.lost
    return before, protocol.told


SCENARIOS = {
    "much at once": much_at_once,
    "lines of every kind": lines_of_every_kind,
    "what is refused": what_is_refused,
    "a peer that leaves": a_peer_that_leaves,
    "a protocol that fails": a_protocol_that_fails,
    "another protocol": another_protocol,
    "pauses": pauses,
    "a buffer": a_buffer(lambda: bytearray(4)),
    "a buffer of other items": a_buffer(lambda: memoryview(bytearray(4)).cast("c")),
    "a buffer that may not be written": a_buffer(lambda: b"constant"),
    "an empty buffer": a_buffer(lambda: bytearray()),
    "no buffer": a_buffer(lambda: ValueError("none")),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_it_is_as_on_the_stdlibs_loop(any_loop: TurnoutLoop, name: str, debug: bool) -> None:
    async def within() -> object:
        return await asyncio.wait_for(SCENARIOS[name](), PATIENCE)

    stdlibs = asyncio.SelectorEventLoop()
    try:
        expected = stdlibs.run_until_complete(within())
    finally:
        stdlibs.close()
    any_loop.set_debug(debug)
    assert any_loop.run_until_complete(within()) == expected


def test_what_took_the_number_of_a_socket_closed_behind_its_transport_is_not_written_to(any_loop: TurnoutLoop) -> None:
    async def main() -> None:
        protocol = Recorder()
        ours, theirs = socket.socketpair()
        transport, _ = await any_loop.create_connection(lambda: protocol, sock=ours)
        number = ours.fileno()
        ours.close()
        left, right = socket.socketpair()
        with theirs, left, right:
            assert number in (left.fileno(), right.fileno())
            other = right if left.fileno() == number else left
            transport.write(b"for somebody else")
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(100)
            await protocol.lost
        assert protocol.told == [("lost", "OSError")]

    any_loop.run_until_complete(main())


def test_a_lost_transport_goes_with_its_last_name(any_loop: TurnoutLoop) -> None:
    async def main() -> None:
        protocol = Recorder()
        transport, theirs = await connected(protocol)
        theirs.close()
        await protocol.lost
        await asyncio.sleep(0)
        gone = weakref.ref(transport)
        del transport
        gc.collect()
        assert gone() is None

    any_loop.run_until_complete(main())


def test_a_read_is_a_step(any_loop: TurnoutLoop) -> None:
    async def main() -> int:
        protocol = Recorder()
        transport, theirs = await connected(protocol)
        with theirs:
            theirs.send(b"x")
            while not protocol.told:
                await asyncio.sleep(0)
            before = any_loop.reactor.stats()["steps"]
            theirs.send(b"y")
            while len(protocol.told) < 2:
                await asyncio.sleep(0)
            after = any_loop.reactor.stats()["steps"]
            transport.close()
            await protocol.lost
            return after - before

    assert any_loop.run_until_complete(main()) >= 2


def test_the_network_has_a_moment_in_a_turn_of_many_short_steps(loop: TurnoutLoop) -> None:
    probe = _turnout._testing.Probe(loop.reactor)
    loop.reactor.start_runtime()

    def turns() -> int:
        return loop.reactor.stats()["standby_turns"]

    async def one_turn() -> bool:
        # True if the loop's thread itself ran what Rust was handed, without the standby.
        await asyncio.sleep(0)
        found = []

        def begin() -> None:
            found.append((turns(), probe.completed))
            probe.complete()

        def step() -> None:
            sum(range(20_000))

        def end() -> None:
            found.append((turns(), probe.completed))

        # Some 4 ms: longer than the standby waits, short enough that a busy machine seldom stops the thread meanwhile.
        for call in (begin, *[step] * 12, end):
            loop.call_soon(call)
        await asyncio.sleep(0)
        (turns_before, before), (turns_after, after) = found
        return turns_before == turns_after and after == before + 1

    async def main() -> bool:
        # A thread that the system stops for 2 ms looks like a long step: then the standby is right to step in.
        for _ in range(500):
            if await one_turn():
                return True
        return False

    assert loop.run_until_complete(main())
