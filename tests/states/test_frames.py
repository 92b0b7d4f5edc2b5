"""The calls that a thread is in are read without an object of each: they are those that the interpreter tells of."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Callable
from types import CodeType

import pytest

from turnout import _turnout

IS_KNOWN = (3, 11) <= sys.version_info < (3, 14)

Both = tuple[list[CodeType], list[CodeType]]


def both() -> Both:
    """The calls around this one: as they are read, and as their objects say."""
    read = _turnout._testing.running_code()
    assert read is not None
    frame, told = sys._getframe(), []
    while frame is not None:
        told.append(frame.f_code)
        frame = frame.f_back
    return read, told


def plainly() -> Both:
    return both()


def deeply(calls: int = 200) -> Both:
    return deeply(calls - 1) if calls else both()


def called_by_c() -> Both:
    """C code in between has Python called by the interpreter itself, twice."""
    return max(map(functools.partial(lambda _: both()), [0]), key=lambda pair: len(pair[0]))


def in_a_generator() -> Both:
    def generate():
        yield from (both() for _ in range(1))

    return next(generate())


def in_coroutines() -> Both:
    async def inner() -> Both:
        await asyncio.sleep(0)
        return both()

    async def outer() -> Both:
        return await inner()

    return asyncio.run(outer())


def in_a_class_body() -> Both:
    class Body:
        found = both()

    return Body.found


def on_a_thread() -> Both:
    found: list[Both] = []
    thread = threading.Thread(target=lambda: found.append(both()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.skipif(not IS_KNOWN, reason="running code of this Python is looked at by its objects")
@pytest.mark.parametrize(
    "way", [plainly, deeply, called_by_c, in_a_generator, in_coroutines, in_a_class_body, on_a_thread]
)
def test_they_are_those_that_the_interpreter_tells_of(way: Callable[[], Both]):
    for _ in range(20):  # code that runs often is specialised
        read, told = way()
        rest = iter(read)
        assert all(any(code is other for other in rest) for code in told)
        extra = [code for code in read if code not in told]
        # The interpreter's own, where C code called it.
        assert all(code.co_filename.startswith("<") for code in extra), extra


@pytest.mark.skipif(IS_KNOWN, reason="it is known here")
def test_where_it_is_not_known_how_code_runs_it_is_not_read():
    assert _turnout._testing.running_code() is None
