"""What is said about a middleware: when its hooks may run on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from turnout.django.layers import When


class Vetted(NamedTuple):
    """When the two hooks of one middleware instance may run on the loop."""

    request: When
    response: When


class VettedView(NamedTuple):
    """When a view hook may run on the loop, and what to call there."""

    when: When
    inline: Callable[..., Any]
