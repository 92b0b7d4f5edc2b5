"""With DEBUG: a declared hook that does I/O on the event loop is told so by an exception.

While such a hook runs, its thread is watched: by CPython's audit events (files, sockets, child processes, names asked
of the resolver), by methods put around those that have no event (patches.py), and by Django's SynchronousOnlyOperation.
Without DEBUG nothing of this is installed. What it cannot see: docs/guide/non-blocking.md.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
from asyncio import _get_running_loop
from collections.abc import Callable
from threading import get_ident
from types import FunctionType
from typing import Any

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation

log = logging.getLogger("turnout.django")

#: A hook that keeps the loop longer than this is told about, once: every request of the worker waits meanwhile.
LONG_SECONDS = 0.05

_FILES = ("open", "glob.glob", "fcntl.flock", "fcntl.lockf", "tempfile.mkstemp", "tempfile.mkdtemp")
_FOLDERS = ("chmod", "chown", "link", "listdir", "lockf", "mkdir", "remove", "rename", "rmdir", "scandir", "symlink")
_TREES = ("copyfile", "copytree", "make_archive", "move", "rmtree", "unpack_archive")
_NAMES = ("connect", "getaddrinfo", "gethostbyaddr", "gethostbyname", "getnameinfo")
_PROTOCOLS = ("http.client.connect", "http.client.send", "smtplib.connect", "smtplib.send", "ftplib.connect")
_CHILDREN = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")
_EVENTS = frozenset(
    (
        *_FILES,
        *(f"os.{name}" for name in (*_FOLDERS, "truncate", "utime")),
        *(f"shutil.{name}" for name in _TREES),
        *(f"socket.{name}" for name in _NAMES),
        *_PROTOCOLS,
        *_CHILDREN,
        *("sqlite3.connect", "time.sleep", "imaplib.open", "poplib.connect"),
    )
)
# These may be done by a socket that does not block.
_SOCKET_EVENTS = frozenset(("socket.sendto", "socket.sendmsg"))
# What is imported, or shown in a traceback, is read once.
_CODE = (".py", ".pyc", ".so")
_TOLD = (str, os.PathLike, tuple, list, float)


class BlocksTheLoop(SynchronousOnlyOperation):
    """Something that was declared non-blocking does I/O on the event loop."""


class _Watch:
    """One call of something declared."""

    __slots__ = ("found", "name", "words")

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        self.words = words
        self.found: BlocksTheLoop | None = None


# Thread -> what it runs. A thread that is not in it pays for one look at a dict.
_watching: dict[int, _Watch] = {}
_installing = threading.Lock()
_installed = False
_long: set[str] = set()


def watched(call: Callable[..., Any], name: str, words: str) -> Callable[..., Any]:
    """`call`, watched where it runs on the loop; itself without DEBUG. `words`: how the project declared it."""
    if not settings.DEBUG:
        return call
    _install()

    @functools.wraps(call)
    def on_loop(*args: Any, **kwargs: Any) -> Any:
        # On the request's thread, where a hook in front of it took it along, it may do as it likes.
        if _get_running_loop() is None:
            return call(*args, **kwargs)
        return _run(_Watch(name, words), call, *args, **kwargs)

    return on_loop


def watch_call(call: functools.partial[Any], function: FunctionType) -> None:
    """A call that `sync_to_async` made of a declared function, about to run."""
    name = f"{function.__module__}.{function.__qualname__}"
    # Whoever runs it has the call already, so it is changed in its place.
    call.__setstate__((watched(call.func, name, "@non_blocking"), call.args, call.keywords, {}))


def refuse(operation: str) -> None:
    """Raise if this thread runs something declared, which is about to do `operation`."""
    watch = _watching.get(get_ident())
    if watch is not None:
        watch.found = watch.found or _complaint(watch, operation)
        raise watch.found


def is_watched() -> bool:
    """Whether this thread runs something declared."""
    return bool(_watching) and get_ident() in _watching


def _run(watch: _Watch, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """One call on the loop's thread."""
    me = get_ident()
    outer, _watching[me] = _watching.get(me), watch
    started, computed = time.perf_counter(), time.thread_time()
    try:
        result = call(*args, **kwargs)
    except BlocksTheLoop:
        raise
    except SynchronousOnlyOperation as error:
        raise _complaint(watch, "asks the database") from error
    except Exception as error:
        if watch.found is not None:
            raise watch.found from error
        raise
    finally:
        if outer is None:
            del _watching[me]
        else:
            _watching[me] = outer
        _note_time(watch, time.perf_counter() - started, time.thread_time() - computed)
    if watch.found is not None:
        # The hook swallowed it.
        raise watch.found
    return result


def _install() -> None:
    """Once a process: audit hooks cannot be taken out."""
    global _installed
    with _installing:
        if not _installed:
            from turnout.django.declared import patches

            patches.install()
            sys.addaudithook(_audit)
            _installed = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event in _EVENTS:
        if not is_watched() or (event == "open" and _is_code(arguments[0])):
            return
    elif event not in _SOCKET_EVENTS or not is_watched() or arguments[0].gettimeout() == 0:
        return
    if event == "sqlite3.connect":
        # Bytes on Python 3.10.
        arguments = tuple(map(os.fsdecode, arguments))
    # What was sent is nobody's business, and a socket says nothing.
    told = ", ".join(repr(it) for it in arguments if isinstance(it, _TOLD))
    refuse(f"does {event}({told[:200]})")


def _is_code(path: Any) -> bool:
    """Whether it is opened to be imported or to be shown; or is open already, for a number is a descriptor."""
    # Python 3.13 looks for the source of "<unknown>" as it words a traceback.
    if isinstance(path, int) or str(path).endswith(_CODE) or path == "<unknown>":
        return True
    frame: Any = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _complaint(watch: _Watch, operation: str) -> BlocksTheLoop:
    return BlocksTheLoop(
        f"{watch.name} {operation} on the event loop, where all async requests wait for it, and it is declared "
        f"non-blocking ({watch.words}). Take the declaration away, and it runs on a thread, or leave this to the view."
    )


def _note_time(watch: _Watch, took: float, computed: float) -> None:
    if took > LONG_SECONDS and watch.name not in _long:
        _long.add(watch.name)
        log.warning(
            "%s kept the event loop for %.0f ms, %.0f of them computing; it is declared non-blocking (%s), and all "
            "async requests wait for it",
            *(watch.name, took * 1000, computed * 1000, watch.words),
        )
