"""``turnout routes --path``: which view and track one path gets, and why."""

from __future__ import annotations

import contextvars
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.urls import Resolver404
from django.utils import translation

from turnout.django.asynctrack import is_async_view
from turnout.django.routes import ASYNC, needs_language
from turnout.routes.facts import Route, Served, name_of

_NO_VIEW = "no view: the 404 page, a redirect to a slash and flatpages all want a thread"


def explain(served: Served, routes: list[Route], address: str) -> dict[str, Any]:
    """path, view, name, arguments, route, track, why (a list of sentences)."""
    path = _below_prefix(served, unquote(urlsplit(address).path) or "/")
    # Resolving may change the language, and asks what it likes.
    return contextvars.copy_context().run(_explain, served, routes, path)


def _explain(served: Served, routes: list[Route], path: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": path, "view": None, "name": None, "arguments": {}, "route": None}
    why: list[str] = []
    by_language = settings.USE_I18N and needs_language(served.resolver)
    if by_language:
        language = translation.get_language_from_path(path)
        translation.activate(language or settings.LANGUAGE_CODE)
        if language:
            why.append(f"resolved in the language that it begins with, {language!r}")
    try:
        match = served.resolver.resolve(path)
    except Resolver404:
        why.append(_NO_VIEW)
        slashed = path if path.endswith("/") or not settings.APPEND_SLASH else f"{path}/"
        for other in (slashed, f"/{settings.LANGUAGE_CODE}{slashed}" if by_language else path):
            if other != path and _resolves(served, other):
                why.append(f"{other} has one")
    except Exception as error:
        why.append(f"resolving it raised {type(error).__name__}: {error}; a request is resolved on a thread")
    else:
        facts |= {
            "view": name_of(match.func),
            "name": match.view_name if match.url_name else None,
            "arguments": {**{str(n): repr(it) for n, it in enumerate(match.args)}, **_shown(match.kwargs)},
        }
        route = next((it for it in routes if it.entry.callback is match.func and _route_of(it) == match.route), None)
        if route is not None:
            facts["route"] = route.shown
        why.append(f"the view is {'async' if is_async_view(match.func) else 'sync'}")
        why += _how(served, route)
    facts["track"] = _track(served, path)
    facts["why"] = why
    return facts


def _how(served: Served, route: Route | None) -> list[str]:
    """How the track is known."""
    if served.fixed:
        return [f"every request takes one track: {served.why}"]
    if route is None:
        return ["found out request by request"]
    if route.why:
        return [f"found out request by request: {route.why}"]
    return ["known from the path, before Python is asked"]


def _track(served: Served, path: str) -> str:
    if served.fixed:
        return served.fixed
    return "async" if served.handler.decide(path, None)[0] == ASYNC else "sync"


def _below_prefix(served: Served, path: str) -> str:
    forced = served.handler.forced_script_name if served.handler is not None else None
    for prefix in (served.prefix, (forced or "").rstrip("/")):
        if prefix and f"{path}/".startswith(f"{prefix}/"):
            path = path.removeprefix(prefix) or "/"
    return path


def _resolves(served: Served, path: str) -> bool:
    try:
        served.resolver.resolve(path)
    except Exception:
        return False
    return True


def _route_of(route: Route) -> str:
    """As `ResolverMatch.route` has it, in the language of the moment."""
    first, *others = (str(one.pattern) for one in (*route.within, route.entry))
    for other in others:
        first += other.removeprefix("^") if first else other
    return first


def _shown(kwargs: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in kwargs.items()}
