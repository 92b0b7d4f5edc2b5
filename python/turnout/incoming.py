"""The request that is being answered, as the calls that are made for it know it. Costs nothing until there is one.

A module of its own: whoever serves sets the variable, and need not load the client for that.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: An `HttpIncoming`, an `HttpScope` inside one, or None where calls belong to nothing.
current_scope: ContextVar[Any] = ContextVar("turnout_current_scope", default=None)

#: An `AwaitedCall` while a call is awaited that is timed as a whole: what it calls itself is no wait of its own. (Of a
#: call that blocks its thread, `Accounted.time_call` knows.)
in_timed_call: ContextVar[Any] = ContextVar("turnout_in_timed_call", default=None)
