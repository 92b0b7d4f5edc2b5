"""`threading.local` that belongs to the request on hop threads, and to the thread everywhere else.

Django gives each async request a thread of its own, so what a middleware keeps in a `threading.local` is its
request's. A thread that serves a request only while a call runs must keep that true. The objects made of
`threading.local` after `install` are known here; when a request leaves a hop thread their values go with it, and come
back with it, on whichever thread that is. Attribute access is the interpreter's own, as fast as ever.

Not covered: objects made of `_thread._local` directly, thread-locals of C libraries, and locks that are taken in one
hop and released in another by the thread's identity (`RLock`). `--thread-sharing exclusive` is for code like that.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import weakref
from _thread import _local
from typing import Any

log = logging.getLogger("turnout.django")

# What was made of threading.local, by id.
_known: dict[int, weakref.ref[Any]] = {}
# Of these, subclasses with an __init__ of their own, with its arguments: it runs on each thread that is new to them.
_initialised: dict[int, tuple[weakref.ref[Any], tuple[Any, ...], dict[str, Any]]] = {}

#: What one request has: (object, its attributes).
Values = list[tuple[Any, dict[str, Any]]]


class RequestLocal(_local):
    """What `threading.local` is once `install` was called."""

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        """An object whose values turnout can find."""
        made = _local.__new__(cls, *args, **kwargs)
        key = id(made)
        reference = _known[key] = weakref.ref(made, lambda _: _forget(key))
        if cls.__init__ is not object.__init__:
            _initialised[key] = reference, args, kwargs
        return made


RequestLocal.__name__ = RequestLocal.__qualname__ = "local"
RequestLocal.__module__ = "threading"


def install() -> None:
    """Before the project is imported: what it makes of `threading.local` is known from now on.

    What asgiref and Django keep by thread themselves is made before that: those mean the thread.
    """
    for own in ("asgiref.sync", "django.db"):
        with contextlib.suppress(ImportError):
            importlib.import_module(own)
    threading.local = RequestLocal  # type: ignore[misc]


def _forget(key: int) -> None:
    _known.pop(key, None)
    _initialised.pop(key, None)


def installed() -> bool:
    """Whether `install` was called in this process."""
    return threading.local is RequestLocal


def put(values: Values | None) -> None:
    """A request comes to this thread, with what it has: nothing, as on a new thread, if it comes to its first one."""
    if values:
        for made, attributes in values:
            _attributes_of(made).update(attributes)
    if _initialised:
        having = {id(made) for made, _ in values or ()}
        for key, (reference, args, kwargs) in list(_initialised.items()):
            made = reference() if key not in having else None
            if made is not None:
                _initialise(made, args, kwargs)


def take() -> Values:
    """A request leaves this thread: what it has here, which is gone from it."""
    values: Values = []
    for reference in list(_known.values()):
        made = reference()
        if made is None:
            continue
        attributes = _attributes_of(made)
        if attributes:
            values.append((made, dict(attributes)))
            attributes.clear()
    return values


def is_plain(values: Values) -> bool:
    """Whether letting go of them runs no code that matters where."""
    return all(type(value) in _PLAIN for _, attributes in values for value in attributes.values())


_PLAIN = frozenset((type(None), bool, int, float, str, bytes))


def _attributes_of(made: Any) -> dict[str, Any]:
    # Past a __getattribute__ of a subclass. The first use on a thread runs the __init__ of one, as ever.
    return _local.__getattribute__(made, "__dict__")


def _initialise(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """What the interpreter does on a thread that is new to an object; this one is new to the request."""
    if _attributes_of(made):
        # It was new to the thread, too: asking has done it.
        return
    try:
        made.__init__(*args, **kwargs)
    except Exception:
        log.exception("%s could not be prepared for a request", type(made).__qualname__)
