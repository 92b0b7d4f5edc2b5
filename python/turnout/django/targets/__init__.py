"""What a hop runs, told before it runs: the function that `sync_to_async` was given.

Most of what Django's own async methods do is one call of a function of Django's on the request's thread. Where that is
known to be all that runs, the hop leaves nothing behind on its thread, and where it is known not to block, it needs no
thread at all. What nobody vouches for is `Runs.FOREIGN`: the safe side, whatever it is.

A module beside this one registers judges for the functions it knows (`judges`); this one asks them.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from turnout.django.nonblocking import is_declared


class Runs(enum.Enum):
    """What may happen when the target of a hop is called."""

    #: Nothing that blocks, and nothing of the project's: on the loop, at once.
    ON_LOOP = "loop"
    #: It may block, but only code that was read runs: its thread and its connection in autocommit are free afterwards.
    VETTED = "vetted"
    #: Code that nobody read: what it leaves on the thread and on the connection belongs to its request.
    FOREIGN = "foreign"


#: Asked with the positional arguments (the instance first, for a method) and the keyword arguments of the call.
Judge = Callable[[tuple[Any, ...], dict[str, Any]], Runs]

_judges: dict[FunctionType, Judge] = {}

#: Told of each call of a function that the project declared non-blocking, before it runs; None without DEBUG.
watch: Callable[[functools.partial[Any]], None] | None = None


def judges(function: Any, judge: Judge) -> None:
    """From now on calls of `function` (a plain function, as found in its module or class) are judged by `judge`."""
    _judges[function] = judge


def runs(call: Any) -> Runs:
    """What a call submitted by asgiref runs. `call` is the partial that `SyncToAsync.__call__` makes."""
    # asgiref: partial(thread_handler, loop, exc_info, task_context, enter, partial(target, *args, **kwargs))
    if type(call) is not functools.partial or not call.args:
        return Runs.FOREIGN
    inner = call.args[-1]
    if type(inner) is not functools.partial:
        return Runs.FOREIGN
    target, args = inner.func, inner.args
    if type(target) is MethodType:
        args = (target.__self__, *args)
        target = target.__func__
    if type(target) is FunctionType and is_declared(target):
        if watch is not None:
            watch(inner)
        return Runs.ON_LOOP
    judge = _judges.get(target) if type(target) is FunctionType else None
    if judge is None:
        return Runs.FOREIGN
    return judge(args, inner.keywords)
