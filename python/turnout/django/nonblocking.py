"""`non_blocking`: what a project says about code of its own. The rest of this package acts on it (declared).

It must not know Django's settings, a server or the extension: projects import it under whatever server they run.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction

#: The hooks of a middleware that can be declared, in the order they are called.
HOOKS = ("process_request", "process_view", "process_response")

# On a class: that it is declared. On a function: its code, for functools.wraps copies attributes to wrappers.
_MARK = "__turnout_non_blocking__"

_Declared = TypeVar("_Declared")


def non_blocking(declared: _Declared) -> _Declared:
    """Declare that a middleware, one of its hooks or a plain function does no I/O, and may run on the event loop.

    On a middleware class it holds for `process_request`, `process_view` and `process_response`, on a method for that
    hook, on any other function for its calls through `sync_to_async`. It returns what it was given and changes nothing
    about how that runs elsewhere. With DEBUG turnout raises when such code does I/O all the same.
    """
    if isinstance(declared, type):
        _check_class(declared)
        setattr(declared, _MARK, True)
    elif isinstance(declared, FunctionType):
        _check_function(declared, _name(declared))
        setattr(declared, _MARK, declared.__code__)
    else:
        raise TypeError(
            f"@non_blocking is for classes and plain functions, and this is a {type(declared).__name__}: put it next "
            "to the def, below other decorators such as @staticmethod"
        )
    return declared


def is_declared(found: Any) -> bool:
    """Whether a class or function itself is declared: not a subclass of it, not a wrapper around it."""
    if isinstance(found, type):
        return _MARK in found.__dict__
    return isinstance(found, FunctionType) and found.__dict__.get(_MARK) is found.__code__


def wraps_declared(found: Any) -> bool:
    """Whether a function is a wrapper around a declared one."""
    return isinstance(found, FunctionType) and _MARK in found.__dict__ and not is_declared(found)


def _check_class(declared: type) -> None:
    hooks = [name for name in HOOKS if hasattr(declared, name)]
    if not hooks:
        raise TypeError(
            f"@non_blocking on {_name(declared)}: it has none of the hooks {', '.join(HOOKS)}, so there is nothing "
            "that could run on the event loop"
        )
    for name in hooks:
        _check_function(getattr(declared, name), f"{_name(declared)}.{name}")


def _check_function(function: Any, name: str) -> None:
    if iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"@non_blocking on {name}: it is async and runs on the event loop anyway; the decorator can go")


def _name(declared: type | FunctionType) -> str:
    return f"{declared.__module__}.{declared.__qualname__}"
