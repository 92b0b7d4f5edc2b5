"""The request that is being answered, as the calls that are made for it know it. Costs nothing until there is one.

A module of its own: whoever serves sets the variable, and need not load the client for that.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: An `HttpIncoming`, an `HttpScope` inside one, or None where calls belong to nothing.
current_scope: ContextVar[Any] = ContextVar("turnout_current_scope", default=None)

#: Set while a call is awaited that is timed as a whole: what it calls itself is no wait of its own. In a list of one,
#: how long it was in line for a connection of its pool, in the unit of `Accounted.stamp`. (Of a call that blocks its
#: thread, `Accounted.blocks` knows.)
in_timed_call: ContextVar[list[int] | None] = ContextVar("turnout_in_timed_call", default=None)
