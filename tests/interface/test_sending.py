"""`Sending`: an async generator sent as `async for` inside `aclosing` would send it, and its generator closed once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from turnout._turnout import Sending


class Answer:
    """Takes chunks as an exchange does, with room for `room` of them before anybody reads."""

    def __init__(self, room=1000, failure=None):
        self.chunks = []
        self.ends = 0
        self.read = asyncio.Event()
        self._room = room
        self._failure = failure

    async def write(self, chunk):
        if len(self.chunks) == self._room:
            await self.read.wait()
        if self._failure is not None:
            raise self._failure
        self.chunks.append(chunk)

    def end(self):
        self.ends += 1


class Source:
    """A generator of `chunks` that notes how it ends, and stays a while at the end if it is to be `slow`."""

    def __init__(self, *chunks, failure=None, slow=False):
        self._chunks = chunks
        self._failure = failure
        self._slow = slow
        self.ended = []
        self.made = 0

    async def __call__(self):
        try:
            for chunk in self._chunks:
                self.made += 1
                yield chunk
                await asyncio.sleep(0)
            if self._failure is not None:
                raise self._failure
            if self._slow:
                await asyncio.Event().wait()
        except BaseException as error:
            self.ended.append(type(error).__name__)
            await asyncio.sleep(0)
            raise
        else:
            self.ended.append("whole")


def make_bytes(value):
    return f"<{value}>".encode()


async def send(source, answer, plain=True):
    await Sending(source(), make_bytes, plain, answer)


async def until(true):
    while not true():
        await asyncio.sleep(0)


class Text(str):
    __slots__ = ()


def test_chunks_become_bytes_as_django_makes_them():
    async def main(plain):
        answer = Answer()
        await send(Source("é", b"raw", "", b"", 7, Text("own"), memoryview(b"view")), answer, plain)
        assert answer.ends == 1
        return answer.chunks

    special = [b"<7>", b"<own>"]
    assert asyncio.run(main(True))[:-1] == ["é".encode(), b"raw", *special]
    assert asyncio.run(main(False))[:-1] == ["<é>".encode(), b"<b'raw'>", b"<>", b"<b''>", *special]


def test_what_has_no_utf8_is_left_to_make_bytes():
    def refuse(value):
        raise UnicodeEncodeError("utf-8", value, 0, 1, "in Django's words")

    async def main():
        source = Source("\ud800")
        with pytest.raises(UnicodeEncodeError, match="in Django's words"):
            await Sending(source(), refuse, True, Answer())
        assert source.ended == ["GeneratorExit"]

    asyncio.run(main())


def test_make_bytes_that_makes_none_is_refused():
    async def main():
        source = Source(7)
        with pytest.raises(TypeError, match="must be bytes"):
            await Sending(source(), str, True, Answer())
        assert source.ended == ["GeneratorExit"]

    asyncio.run(main())


def test_the_next_chunk_is_made_when_there_was_room_for_the_one_before():
    async def main():
        source, answer = Source(*"abcdef"), Answer(room=2)
        task = asyncio.create_task(send(source, answer))
        await until(lambda: source.made == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (source.made, answer.chunks) == (3, [b"a", b"b"])
        answer.read.set()
        await task
        assert (b"".join(answer.chunks), answer.ends, source.ended) == (b"abcdef", 1, ["whole"])

    asyncio.run(main())


@pytest.mark.parametrize("room", [2, 1000], ids=["waiting for room", "making a chunk"])
def test_a_cancellation_closes_the_generator_once(room):
    async def main():
        source, answer = Source(*"abc", slow=True), Answer(room)
        task = asyncio.create_task(send(source, answer))
        await until(lambda: source.made == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.ended == ["GeneratorExit" if room == 2 else "CancelledError"]
        assert answer.ends == 0

    asyncio.run(main())


def test_a_generator_may_answer_a_cancellation_with_another_chunk():
    async def main():
        async def source():
            with contextlib.suppress(asyncio.CancelledError):
                yield "first"
                await asyncio.Event().wait()
            yield "last"

        answer = Answer()
        task = asyncio.create_task(send(source, answer))
        await until(lambda: answer.chunks)
        await asyncio.sleep(0)
        task.cancel()
        await task
        assert (answer.chunks, answer.ends) == ([b"first", b"last"], 1)

    asyncio.run(main())


def test_a_generator_that_fails_ends_with_its_own_error():
    async def main():
        source, answer = Source("a", failure=ValueError("in the middle")), Answer()
        with pytest.raises(ValueError, match="in the middle"):
            await send(source, answer)
        assert (answer.chunks, answer.ends, source.ended) == ([b"a"], 0, ["ValueError"])

    asyncio.run(main())


def test_a_client_that_left_closes_the_generator():
    async def main():
        source = Source(*"abc")
        with pytest.raises(ConnectionResetError):
            await send(source, Answer(failure=ConnectionResetError()))
        assert (source.made, source.ended) == (1, ["GeneratorExit"])

    asyncio.run(main())


def test_what_fails_while_the_generator_is_closed_says_why_it_was():
    async def main():
        async def source():
            try:
                yield "a"
            finally:
                await asyncio.sleep(0)
                raise ValueError("closing")

        with pytest.raises(ValueError, match="closing") as raised:
            await send(source, Answer(failure=ConnectionResetError("left")))
        contexts, error = [], raised.value
        while (error := error.__context__) is not None:
            contexts.append(type(error))
        assert ConnectionResetError in contexts

    asyncio.run(main())


def test_it_is_closed_as_coroutines_are():
    async def main(wait_at_the_end):
        ended = []

        async def source():
            try:
                yield "a"
                await asyncio.Event().wait()
            finally:
                ended.append("closed")
                if wait_at_the_end:
                    await asyncio.sleep(0)

        coroutine = send(source, Answer())
        coroutine.send(None)
        ignored = pytest.raises(RuntimeError, match="ignored GeneratorExit")
        with ignored if wait_at_the_end else contextlib.nullcontext():
            coroutine.close()
        assert ended == ["closed"]

    asyncio.run(main(False))
    asyncio.run(main(True))


def test_nothing_keeps_a_stream_that_nobody_has():
    async def main():
        class Held:
            """What the generator's frame holds."""

        held = Held()
        gone = weakref.ref(held)

        async def source(held):
            yield repr(held)
            await asyncio.Event().wait()

        answer = Answer()
        sending = Sending(source(held), make_bytes, True, answer)
        answer.itself = sending
        del held, sending, answer
        gc.collect()
        assert gone() is None

    asyncio.run(main())
