"""Judges of Django's caches.

Storing pickles: only values that are made of Python's own types are known to run nobody's code. Reading unpickles, and
a value of a class of the project's may bring a `__setstate__`: making a stored value again counts as reading it, but
never runs on the loop. A cache in this process's memory is read and written there, where the value at hand names no
class and is small.
"""

from __future__ import annotations

import datetime
import importlib
import sys
import weakref
from typing import Any

from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, default_key_func

from turnout.django.targets import Judge, Runs, databases
from turnout.django.targets.functions import CACHES
from turnout.django.targets.provenance import foreign
from turnout.django.targets.registry import register

_HOME = "django.core.cache.backends."
_MEMORY = (f"{_HOME}locmem", f"{_HOME}dummy")
_STORES = frozenset(("add", "set", "get_or_set", "set_many"))
_READS = frozenset(("get", "incr", "decr"))
# Longer values are for a thread: copying and pickling them holds up the loop.
_SMALL = 65536
# When it is full, a cache in memory throws out a third of what it holds at once.
_ENTRIES = 2000
_THINGS = 200
_PLAIN = frozenset((type(None), bool, int, float, str, bytes, datetime.date, datetime.timedelta))
# Opcodes of pickle protocols 4 and up that name a class or a function. They may be data, too: then a thread is used.
_NAMING = (b"\x93", b"\x82", b"\x83", b"\x84")

_LIBRARIES = ("django.", "redis.", "pymemcache.", "pylibmc.")

_whys: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def why_not(cache: Any) -> str:
    """Why asking a cache would run code of the project's, whatever it is asked."""
    why = _whys.get(cache)
    if why is None:
        why = _whys[cache] = _why_not(cache)
    if why or cache.key_func is not default_key_func:
        return why or "KEY_FUNCTION"
    # The only one that asks a database; there is no router to ask.
    return databases.why_not(databases.DEFAULT_DB_ALIAS) if type(cache).__module__ == f"{_HOME}db" else ""


def _why_not(cache: Any) -> str:
    kind = type(cache)
    if not kind.__module__.startswith(_HOME) or not issubclass(kind, BaseCache):
        return f"the cache {kind.__module__}.{kind.__qualname__}"
    client = cache.__dict__.get("_class")
    why = foreign(kind) or (foreign(client) if client is not None and client.__module__.startswith("django.") else "")
    if why:
        return f"{why} is not Django's"
    for name, value in (cache.__dict__.get("_options") or {}).items():
        own = value if isinstance(value, str) else f"{type(value).__module__}."
        if name in ("serializer", "pool_class", "parser_class", "serde") and not own.startswith(_LIBRARIES):
            return f"the option {name}"
        if not databases.is_plain(value) and not own.startswith(_LIBRARIES):
            return f"the option {name}"
    return ""


def holds_no_code(*values: Any) -> bool:
    """Whether values are made of Python's own types, so that pickling them runs nothing; large ones are not known."""
    pending = list(values)
    # It grows meanwhile.
    for each in pending:
        kind = type(each)
        if kind in _PLAIN or each is DEFAULT_TIMEOUT:
            continue
        if kind in (list, tuple, set, frozenset):
            pending += each
        elif kind is dict:
            pending += each
            pending += each.values()
        elif kind is not datetime.datetime or type(each.tzinfo) not in (type(None), datetime.timezone):
            return False
        if len(pending) > _THINGS:
            return False
    return True


def _size(values: Any) -> int:
    """About how much plain values hold."""
    size = 0
    pending = list(values)
    for each in pending:
        kind = type(each)
        if kind in (str, bytes):
            size += len(each)
        elif kind is dict:
            pending += each
            pending += each.values()
        elif kind in (list, tuple, set, frozenset):
            pending += each
    return size


def _judge_for(name: str) -> Judge:
    """The judge of one method, whatever the cache."""

    def judge(args: tuple[Any, ...], named: dict[str, Any]) -> Runs:
        cache = args[0]
        given = (*args[1:], *named.values())
        if name == "get":
            # The default is handed back as it is.
            given = (*args[1:2], *args[3:], *(value for key, value in named.items() if key != "default"))
        if why_not(cache) or not holds_no_code(*given):
            return Runs.FOREIGN
        if type(cache).__module__ not in _MEMORY or name not in _BRIEF:
            return Runs.VETTED
        return Runs.ON_LOOP if _is_brief(cache, name, given, args[1:], named) else Runs.VETTED

    return judge


# What a cache in memory does in constant time; "many" and `clear` depend on how many there are.
_BRIEF = frozenset(("add", "set", "get", "incr", "decr", "touch", "delete", "has_key", "close"))


def _is_brief(cache: Any, name: str, given: Any, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if type(cache).__module__ == _MEMORY[1]:
        return True
    if name in _STORES:
        return cache._max_entries <= _ENTRIES and _size(given) <= _SMALL
    if name not in _READS:
        return True
    version = named.get("version", args[2] if len(args) > 2 else None)
    stored = cache._cache.get(cache.make_key(args[0] if args else named["key"], version=version))
    return stored is None or (
        len(stored) <= _SMALL and stored[:1] == b"\x80" and stored[1] >= 4 and not any(op in stored for op in _NAMING)
    )


def install() -> None:
    """From now on calls of the caches in use are judged."""
    for config in settings.CACHES.values():
        if config["BACKEND"].startswith(_HOME):
            importlib.import_module(config["BACKEND"].rpartition(".")[0])
    used = [name for name in CACHES if ".".join(name.split(".")[:5]) in sys.modules]
    register({name: _judge_for(name.rpartition(".")[2]) for name in used})
