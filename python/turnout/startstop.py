"""``turnout.on_startup``, ``turnout.on_shutdown``: what a project wants done once in each worker, around all requests.

The decorators only note functions down, so importing them costs nothing and needs neither Django nor the extension:
under another server and in manage.py nothing comes of it. lifetime.py runs what was noted.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, overload

Function = TypeVar("Function", bound=Callable[[], Any])

#: A startup hook that says nothing else may take so long. Longer, and whoever waits for the server thinks it dead.
STARTUP_SECONDS = 60.0

logger = logging.getLogger("turnout")


class Hook(NamedTuple):
    """A function to be run."""

    function: Callable[[], Any]
    #: Seconds it may take; a shutdown hook has what is left.
    timeout: float

    @property
    def name(self) -> str:
        """As the project would import it."""
        function = inspect.unwrap(self.function)
        function = getattr(function, "func", function)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"{getattr(function, '__module__', None) or '?'}.{name}"


#: In order of registration.
startup: list[Hook] = []
shutdown: list[Hook] = []
#: How many services of this process have begun to start.
begun = 0


@overload
def on_startup(function: Function, /) -> Function: ...
@overload
def on_startup(*, timeout: float = ...) -> Callable[[Function], Function]: ...


def on_startup(function: Any = None, /, *, timeout: float = STARTUP_SECONDS) -> Any:
    """Run a function in each worker of ``turnout serve`` before its first request is accepted::

        @on_startup
        async def connect():
            global session
            session = aiohttp.ClientSession()

    A coroutine function runs on the worker's event loop, any other one on a thread, where it may use the ORM. They run
    one after another, in the order in which they were registered. One that raises, or takes longer than ``timeout``
    seconds, keeps the server from starting.
    """
    if not timeout > 0:
        raise ValueError(f"on_startup: timeout must be more than 0 seconds, not {timeout}")

    def register(function: Function) -> Function:
        hook = _note(startup, "on_startup", function, timeout)
        if begun:
            logger.warning("on_startup: %s was registered after the start and does not run", hook.name)
        return function

    return register if function is None else register(function)


def on_shutdown(function: Function, /) -> Function:
    """Run a function in each worker of ``turnout serve`` after its last request, the last registered first.

    A coroutine function runs on the worker's event loop, any other one on a thread. All of them together have what the
    requests left of ``--drain``. One that raises is logged, and the others run all the same.
    """
    _note(shutdown, "on_shutdown", function, float("inf"))
    return function


def _note(hooks: list[Hook], decorator: str, function: Any, timeout: float) -> Hook:
    if not callable(function):
        raise TypeError(f"{decorator}: {function!r} is not a function")
    hook = Hook(function, timeout)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{decorator}: {hook.name} is a generator; what comes after its yield is a hook of its own")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise TypeError(f"{decorator}: {hook.name} is called without arguments: {error}") from None
    except ValueError:
        # Some functions written in C do not say what they take.
        pass
    if all(known.function is not function for known in hooks):
        hooks.append(hook)
    return hook
