"""How a response that is rendered late is rendered: on the request's thread, unless somebody knows a better way.

Who has read how responses of a class are rendered registers it here (targets/drf); asynctrack.py asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async

#: Class of a response, exactly -> what renders it and gives back what its `render()` gives back.
ways: dict[type, Callable[[Any], Awaitable[Any]]] = {}


async def render(response: Any) -> Any:
    """`response.render()`, which may load templates and query databases."""
    way = ways.get(type(response))
    return await (sync_to_async(response.render)() if way is None else way(response))
