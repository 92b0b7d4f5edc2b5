"""What a hop runs, told before it runs: the function that `sync_to_async` was given.

Most of what Django's own async methods do is one call of a function of Django's on the request's thread. Where that is
known to be all that runs, the hop leaves nothing behind on its thread, and where it is known not to block, it needs no
thread at all. What nobody vouches for is `Runs.FOREIGN`: the safe side, whatever it is.

A module beside this one registers judges for the functions it knows (`judges`); this one asks them.
"""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any

from turnout.django.nonblocking import is_declared

log = logging.getLogger("turnout.django")


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
#: For functions that are made anew each time: asked with the function, for what it closes over, too.
MadeJudge = Callable[[tuple[Any, ...], dict[str, Any], FunctionType], Runs]

#: Told of each call of a function that the project declared non-blocking, before it runs; None without DEBUG.
watch: Callable[[functools.partial[Any], FunctionType], None] | None = None

_judges: dict[FunctionType, Judge] = {}
# By the identity of their code, for hashing code objects is slow; the code is kept, so that the number stays its own.
_made: dict[int, tuple[CodeType, MadeJudge]] = {}


def judges(function: Any, judge: Judge) -> None:
    """From now on calls of `function` (a plain function, as found in its module or class) are judged by `judge`."""
    _judges[function] = judge


def judges_made(code: CodeType, judge: MadeJudge) -> None:
    """The same for every function made from `code`, which is found in the function that makes them."""
    _made[id(code)] = (code, judge)


def runs(call: Any) -> Runs:
    """What a call submitted by asgiref runs. `call` is the partial that `SyncToAsync.__call__` makes."""
    try:
        return _judge(call)
    except Exception:
        # A call that is wrong in itself: it raises where it runs, for the project to see.
        log.debug("a call cannot be judged", exc_info=True)
        return Runs.FOREIGN


def _judge(call: Any) -> Runs:
    # asgiref: partial(thread_handler, loop, exc_info, task_context, enter, partial(target, *args, **kwargs))
    if type(call) is not functools.partial or not call.args:
        return Runs.FOREIGN
    inner = call.args[-1]
    if type(inner) is not functools.partial:
        return Runs.FOREIGN
    target, args, named = inner.func, inner.args, inner.keywords
    while type(target) is functools.partial:
        # Whoever gave a partial to sync_to_async: those that have attributes are not merged into one.
        target, args, named = target.func, (*target.args, *args), {**target.keywords, **named}
    if type(target) is MethodType:
        args = (target.__self__, *args)
        target = target.__func__
    if type(target) is not FunctionType:
        return Runs.FOREIGN
    if is_declared(target):
        if watch is not None:
            watch(inner, target)
        return Runs.ON_LOOP
    judge = _judges.get(target)
    if judge is not None:
        return judge(args, named)
    made = _made.get(id(target.__code__))
    return made[1](args, named, target) if made is not None else Runs.FOREIGN


def all_foreign(call: Any) -> Runs:
    """Where nobody is to be trusted: Django's own handler, unpatched."""
    return Runs.FOREIGN
