"""`TURNOUT = {"NON_BLOCKING": [...]}`: declarations about middleware that is somebody else's code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from turnout.django.nonblocking import HOOKS

#: How the setting is called wherever it is spoken of.
NAME = 'TURNOUT["NON_BLOCKING"]'

_KEYS = ("HTTP", "NON_BLOCKING", "REQUEST_DEADLINE")


def named() -> dict[type, frozenset[str]]:
    """Class -> the hooks that the setting names, one by one or with their class."""
    found: dict[type, frozenset[str]] = {}
    for path in _paths():
        kind, hooks = _resolve(path)
        found[kind] = found.get(kind, frozenset()) | frozenset(hooks)
    return found


def _paths() -> list[str]:
    given = getattr(settings, "TURNOUT", {})
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f"TURNOUT in the settings must be a dict, and is a {type(given).__name__}")
    for key in given:
        if key not in _KEYS:
            raise ImproperlyConfigured(f"TURNOUT in the settings: {key!r} is not known{_did_you_mean(key, _KEYS)}")
    if "HTTP" in given:
        # A project that calls nobody need not load the client.
        from turnout.http.settings import read

        try:
            read(given["HTTP"])
        except ValueError as error:
            raise ImproperlyConfigured(str(error)) from None
    paths = given.get("NON_BLOCKING", [])
    if not isinstance(paths, (list, tuple, set, frozenset)) or not all(isinstance(path, str) for path in paths):
        raise ImproperlyConfigured(f"{NAME} in the settings must be a list of dotted paths, and is {paths!r}")
    return list(paths)


def _resolve(path: str) -> tuple[type, tuple[str, ...]]:
    """A middleware and its hooks, or a middleware and the one hook that is named."""
    home, _, last = path.rpartition(".")
    kind = _found(path)
    if kind is None and home:
        owner = _found(home)
        if isinstance(owner, type):
            return _one_hook(path, owner, last)
    if not isinstance(kind, type):
        what = "there is no such thing" if kind is None else f"that is a {type(kind).__name__}"
        raise _fault(path, f"{what}; name a middleware class, or one of its hooks as package.module.Class.{HOOKS[0]}")
    hooks = tuple(name for name in HOOKS if hasattr(kind, name))
    if not hooks:
        raise _fault(path, f"the class has none of the hooks {', '.join(HOOKS)}")
    return kind, hooks


def _one_hook(path: str, kind: type, name: str) -> tuple[type, tuple[str, ...]]:
    if name not in HOOKS:
        mistake = "is not a hook that can run on the event loop" if hasattr(kind, name) else "does not exist"
        raise _fault(path, f"{name} {mistake}{_did_you_mean(name, HOOKS)}; those are {', '.join(HOOKS)}")
    if not hasattr(kind, name):
        raise _fault(path, f"the class has no {name}")
    return kind, (name,)


def _found(path: str) -> Any:
    """What is called so; None when nothing is. A module that raises while it is imported tells so itself."""
    module, _, name = path.rpartition(".")
    if not module or not name:
        return None
    try:
        home = import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            return None
        raise
    except ValueError:
        # Two dots in a row.
        return None
    return getattr(home, name, None)


def _fault(path: str, mistake: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{NAME} in the settings names {path!r}: {mistake}")


def _did_you_mean(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.7)
    return f" (did you mean {close[0]}?)" if close else ""
