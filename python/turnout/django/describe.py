"""Facts about the hosted project for the start-up banner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from turnout.django import declared, hooks

if TYPE_CHECKING:
    from turnout.django.handler import DjangoHandler


def describe(handler: DjangoHandler) -> dict[str, Any]:
    """request_kind, request_why, views_sync, views_async, middleware [(name, mode, why)], notes."""
    facts: dict[str, Any] = {"request_kind": handler.request_kind, "request_why": handler.request_why, "notes": []}
    notes: list[str] = facts["notes"]
    if not handler.known:
        facts |= {"views_sync": 0, "views_async": 0, "middleware": []}
        notes.append("the application is not one of Django's handlers: served as plain ASGI on an exclusive thread")
        return facts
    facts["views_sync"], facts["views_async"] = handler.decisions.views()
    facts["middleware"] = [(path, *_mode(path)) for path in settings.MIDDLEWARE]
    notes += _notes(handler, facts)
    return facts


def _mode(path: str) -> tuple[str, str]:
    """How the middleware's hooks run in the async chain, and why."""
    middleware = import_string(path)
    if not getattr(middleware, "async_capable", False):
        changed = hooks.why_not_apart(middleware) if isinstance(middleware, type) else None
        if changed != "":
            known = f"{changed}; " if changed else ""
            return "thread", f"{known}sync only: an async request keeps its thread from here to its end"
    elif not isinstance(middleware, type) or not issubclass(middleware, MiddlewareMixin):
        return "native", "async of its own"
    elif not any(hasattr(middleware, name) for name in ("process_request", "process_response", "process_view")):
        return "native", "no hooks before the view or around it"
    said = declared.mode(middleware)
    if said is not None:
        return said
    why = hooks.why_not_class(middleware)
    return ("hop", why) if why else ("inline", hooks.vouched_for(middleware))


def _notes(handler: DjangoHandler, facts: dict[str, Any]) -> list[str]:
    notes = []
    if handler.compat:
        notes.append("--compat: Django's own handler, unpatched")
    if handler.replaced:
        notes.append(f"native path off: {', '.join(handler.replaced)} replaced by other code")
    if handler.overridden:
        notes.append(f"native path off: the project's handler class defines {', '.join(handler.overridden)}")
    if facts["views_sync"] and facts["views_async"]:
        notes.append("views of both kinds: two chains, two instances of each middleware")
    elif facts["views_async"]:
        notes.append("all views are async: the sync chain loads only for paths without a view")
    else:
        notes.append("all views are sync: no async chain is loaded")
    if declared.unused():
        notes.append(f"{', '.join(declared.unused())} declared non-blocking, and not in MIDDLEWARE")
    if handler.decisions.async_only_middleware():
        notes.append("a middleware is async only: every request takes the async track")
    if handler.decisions.rerouting():
        names = ", ".join(handler.decisions.rerouting())
        notes.append(f"the track is found out request by request: {names} may change the URLconf or the path")
    return notes
