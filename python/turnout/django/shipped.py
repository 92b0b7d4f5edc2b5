"""Which of Django's entry points are still the functions Django shipped.

Error trackers and tracers replace methods of the handlers; where they did, a request must go through the replaced
method. A function counts as shipped when it is what its own module defines: same module, same name, no wrapper.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler

# What a request passes on its way through Django's own handlers, and nothing of which the native path calls.
_ASGI = ("__call__", "handle", "run_get_response", "send_response", "read_body", "listen_for_disconnect")
_ASGI_SHARED = ("create_request", "get_response_async", "get_response")
_WSGI = ("__call__", "get_response", "get_response_async")
# What the async chain builds on; a project's handler class that overrides one of these is served as it is.
_CHAIN = ("adapt_method_mode", "_get_response_async", "get_response_async", "handle")


# What turnout put in the place of a function, and that function.
_stand_ins: dict[Any, Any] = {}


def stand_in(function: Any, found: Any) -> None:
    """`function`, of turnout's own, takes the place of `found`, and counts as what that counts as."""
    _stand_ins[function] = found


def is_shipped(function: Any, module: str, qualname: str) -> bool:
    """Whether `function` is the one that `module` defines as `qualname`."""
    function = _stand_ins.get(function, function)
    code = getattr(function, "__code__", None)
    home = sys.modules.get(module)
    return (
        code is not None
        and home is not None
        and not hasattr(function, "__wrapped__")
        and function.__globals__ is home.__dict__
        and function.__qualname__ == qualname
        and code.co_filename == home.__dict__.get("__file__", code.co_filename)
    )


def replaced(handler_class: type) -> list[str]:
    """The entry points of a handler class that somebody replaced, in the project's class or in Django's own."""
    names = (*_ASGI, *_ASGI_SHARED) if issubclass(handler_class, ASGIHandler) else _WSGI
    return [name for name in names if not _method_is_shipped(handler_class, name)]


def overridden(handler_class: type) -> list[str]:
    """What the project's own subclass defines itself of the methods our chains build on or stand in for."""
    own = (ASGIHandler, WSGIHandler, BaseHandler, object)
    names = {*_ASGI, *_CHAIN} if issubclass(handler_class, ASGIHandler) else {"__call__", *_CHAIN}
    classes = [cls for cls in handler_class.__mro__ if cls not in own]
    return sorted(name for name in names if any(name in cls.__dict__ for cls in classes))


def _method_is_shipped(handler_class: type, name: str) -> bool:
    for cls in handler_class.__mro__:
        if name in cls.__dict__:
            return cls.__module__.startswith("django.core.handlers.") and is_shipped(
                cls.__dict__[name], cls.__module__, f"{cls.__qualname__}.{name}"
            )
    return False
