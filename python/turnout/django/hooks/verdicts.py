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


class Hooks(NamedTuple):
    """What the `__call__` of a sync-only middleware does before and after it asks the layer below."""

    request: Callable[[Any], Any] | None
    response: Callable[[Any, Any], Any] | None


class Rule(NamedTuple):
    """What is known about a middleware of Django's or of a package.

    `around` judges an instance's process_request and process_response. `view` judges its process_view: it gets the
    instance, the bound method as the chain has it, and whether that is a wrapper around Django's. `why_not` says what
    in the project's settings sends most requests to a thread here; empty when nothing does. `apart` tells a sync-only
    middleware as two hooks. A subclass may override what is not in `fixed`; with none, it may override nothing.
    """

    hooks: tuple[str, ...]
    around: Callable[[Any], Vetted | None] | None = None
    view: Callable[[Any, Callable[..., Any], bool], VettedView] | None = None
    why_not: Callable[[], str] | None = None
    apart: Callable[[Any], Hooks] | None = None
    fixed: tuple[str, ...] = ()
