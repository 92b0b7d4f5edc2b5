"""The wrappers: a call that waits is timed, and told to the request that it is made for.

Without a request they cost two reads. Whatever goes wrong in here, the call goes on as if it were not watched.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from time import monotonic
from types import FunctionType
from typing import Any

from turnout.incoming import current_scope, in_timed_call

#: From the arguments of a call, and what it returned or raised (None: it did the other), where it went. If this raises,
#: that is unknown.
Where = Callable[[tuple[Any, ...], dict[str, Any], Any, BaseException | None], str]
#: From its arguments, whether it is a wait at all. If it raises, it is none.
When = Callable[[tuple[Any, ...], dict[str, Any]], bool]
#: From a connection that was waited for, the `time.monotonic` at which it was made: until then others had none to give.
Made = Callable[[Any], float]

#: What is told where a library does not say whom it calls; the native half knows the word too.
UNKNOWN = "unknown"
# The attribute by which a wrapper is known, also through another one that is put around it.
_MARK = "_turnout_watches"

_scope = current_scope.get
_timed_call = in_timed_call.get


def timed(call: Callable[..., Any], kind: str, where: Where, when: When | None = None) -> Callable[..., Any]:
    """`call`, which blocks its thread."""

    # Without its attributes: other wrappers know their own work by those, and `call` may be one.
    @wraps(call, updated=())
    def timed(*args: Any, **kwargs: Any) -> Any:
        scope = _scope()
        if scope is None:
            return call(*args, **kwargs)
        return scope.time_call(kind, where, call, args, kwargs, when)

    setattr(timed, _MARK, True)
    return timed


def timed_async(call: Callable[..., Any], kind: str, where: Where, when: When | None = None) -> Callable[..., Any]:
    """`call`, which gives a coroutine.

    No coroutine function itself: whoever makes the call is known when it is called, and may not be when it is awaited,
    in a task of its own.
    """

    async def waits(waiting: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        waiting.begins()
        result = error = None
        try:
            result = await call(*args, **kwargs)
            return result
        except BaseException as raised:
            error = raised
            raise
        finally:
            waiting.ends(where, args, kwargs, result, error)
            error = None  # which knows this frame

    waits.__qualname__ = getattr(call, "__qualname__", waits.__qualname__)  # what "was never awaited" names

    @wraps(call, updated=())
    def timed(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        scope = _scope()
        if scope is None or (when is not None and not _counts(when, args, kwargs)):
            return call(*args, **kwargs)  # type: ignore[no-any-return]
        waiting = scope.awaits(kind)
        if waiting is None:
            return call(*args, **kwargs)  # type: ignore[no-any-return]
        return waits(waiting, args, kwargs)

    setattr(timed, _MARK, True)
    return _as_coroutine_function(timed)


def queued(call: Callable[..., Any], full: When, made: Made | None = None) -> Callable[..., Any]:
    """`call`, which gives a connection of a pool and blocks its thread while the pool is `full`, inside a timed one."""

    @wraps(call, updated=())
    def queued(*args: Any, **kwargs: Any) -> Any:
        scope = _scope()
        if scope is None or not _counts(full, args, kwargs):
            return call(*args, **kwargs)
        since, began = monotonic(), scope.stamp()
        result = None
        try:
            result = call(*args, **kwargs)
            return result
        finally:
            scope.queued(_in_line(scope.stamp() - began, since, result, made))

    setattr(queued, _MARK, True)
    return queued


def queued_async(call: Callable[..., Any], full: When, made: Made | None = None) -> Callable[..., Any]:
    """The same of a `call` that gives a coroutine."""

    async def waits(scope: Any, waiting: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        since, began = monotonic(), scope.stamp()
        result = None
        try:
            result = await call(*args, **kwargs)
            return result
        finally:
            waiting.queued(_in_line(scope.stamp() - began, since, result, made))

    @wraps(call, updated=())
    def queued(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        scope, waiting = _scope(), _timed_call()
        if scope is None or waiting is None or not _counts(full, args, kwargs):
            return call(*args, **kwargs)  # type: ignore[no-any-return]
        return waits(scope, waiting, args, kwargs)

    setattr(queued, _MARK, True)
    return _as_coroutine_function(queued)


def put_in(owner: Any, name: str, wrap: Callable[..., Any], *how: Any) -> None:
    """Have `owner`, a class or a module, call `wrap`'s wrapper by that name, if it has the name and no wrapper yet."""
    call = vars(owner).get(name)
    if call is not None and not getattr(call, _MARK, False):
        setattr(owner, name, wrap(_bound(owner, call), *how))


def timed_queue(
    call: Callable[..., Any], kind: str, where: Where, when: When, full: When, made: Made | None = None
) -> Callable[..., Any]:
    """`timed` of what is in line for a connection and does nothing else."""
    return timed(queued(call, full, made), kind, where, when)


def timed_queue_async(
    call: Callable[..., Any], kind: str, where: Where, when: When, full: When, made: Made | None = None
) -> Callable[..., Any]:
    """The same of a `call` that gives a coroutine."""
    return timed_async(queued_async(call, full, made), kind, where, when)


def _bound(owner: Any, call: Any) -> Callable[..., Any]:
    """What stands in a class may be no function: somebody else's wrapper wants to know whose method it is."""
    # Its type: such a wrapper may say that it is an instance of what it wraps.
    if type(call) is FunctionType or not isinstance(owner, type):
        return call  # type: ignore[no-any-return]

    @wraps(call, updated=())
    def bound(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return call.__get__(self, type(self))(*args, **kwargs)

    return bound


def place(host: Any, port: Any) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host and host[0] != "[" else f"{host}:{port}"


def remembered(owner: Any, find: Callable[[], str]) -> str:
    """The address that an object of a library has for life, found once: that may be dearer than all the rest."""
    try:
        return owner._turnout_address  # type: ignore[no-any-return]
    except AttributeError:
        owner._turnout_address = found = find()
        return found


# By the part of a URL that says where it leads.
_PLACES: dict[str, str] = {}
_MOST_PLACES = 1000
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def place_of(url: str) -> str:
    """Where a URL leads, without what is secret: no user, no path, no query."""
    end = url.find("/", 8)
    front = url if end < 0 else url[:end]
    known = _PLACES.get(front)
    if known is None:
        known = _place_of(front)
        if len(_PLACES) >= _MOST_PLACES:
            _PLACES.clear()
        _PLACES[front] = known
    return known


def _place_of(front: str) -> str:
    scheme, _, rest = front.partition("://")
    rest = rest.partition("?")[0].partition("#")[0].rpartition("@")[2].lower()
    if not rest:
        return UNKNOWN
    # After a bracket, or in a name that has none, a colon begins the port.
    has_port = ":" in rest.rpartition("]")[2]
    return rest if has_port else f"{rest}:{_PORTS.get(scheme.lower(), '')}".rstrip(":")


def _counts(when: When, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        return when(args, kwargs)
    except Exception:
        return False


def _in_line(waited: int, since: float, connection: Any, made: Made | None) -> int:
    """What of that wait was for others to give their connection back."""
    if made is None or connection is None:
        return waited
    try:
        late = made(connection) - since
    except Exception:
        return waited
    return waited if late <= 0 else int(waited * max(0.0, 1 - late / (monotonic() - since)))


def _as_coroutine_function(call: Callable[..., Any]) -> Callable[..., Any]:
    """So that who asks is told what awaiting it would show."""
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        return mark(call)  # type: ignore[no-any-return]
    call._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return call
