"""What there is to know about the routes of a loaded project: collected here, shown by table.py or as JSON."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import get_resolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, URLPattern, URLResolver

from turnout import project
from turnout.django.asynctrack import is_async_view
from turnout.django.routes import walk, why_left_to_python
from turnout.project import Project

SYNC, ASYNC = "sync", "async"

# In place of what i18n_patterns puts in front of a path.
_LANGUAGE = "<language>/"
_OPTIONAL_LANGUAGE = "[<language>/]"


class Served:
    """The project, and the rule for the tracks of all its requests."""

    def __init__(self, loaded: Project, handler: Any) -> None:
        self.project = loaded
        #: None: Django is somewhere inside an application that is not its handler.
        self.handler = handler
        #: What is taken off a path before Django sees it.
        self.prefix = ""
        self.urlconf: str = handler.decisions.urlconf if handler is not None else settings.ROOT_URLCONF
        #: The track of every request, if they all have the same; and why, or why none is known before the request.
        self.fixed, self.why = _rule(loaded, handler)

    @property
    def resolver(self) -> URLResolver:
        """Django's own."""
        return get_resolver(self.urlconf)

    @functools.cached_property
    def described(self) -> dict[str, Any]:
        """What the banner says; nothing where Django is hidden."""
        return {"middleware": [], "notes": []} if self.handler is None else self.handler.describe()


class Include(NamedTuple):
    """A resolver that a route is within."""

    prefix: str
    #: The module with the patterns; empty where they are a list.
    module: str
    namespace: str


class Route(NamedTuple):
    """One view at one place of the URLconf."""

    #: From the first slash on, as a person would read it.
    shown: str
    view: str
    #: As `reverse` wants it; empty where it has none.
    name: str
    track: str
    #: Why it is found out request by request; empty where the path alone tells it, before Python is asked.
    why: str
    is_async: bool
    includes: tuple[Include, ...]
    entry: URLPattern
    within: tuple[URLResolver, ...]

    def is_below(self, prefix: str) -> bool:
        """Whether it could lead to a path that begins so: parameters stand for any text."""
        texts = [self.shown]
        if _OPTIONAL_LANGUAGE in self.shown:
            texts = [self.shown.replace(_OPTIONAL_LANGUAGE, text) for text in ("", _LANGUAGE)]
        return any(_is_below(text, prefix) for text in texts)


def routes(served: Served) -> Iterator[Route]:
    """In match order. The URLconf is imported by this; what is wrong with it is the project's fault."""
    try:
        entries = list(walk(served.resolver))
    except BaseException as error:
        raise project.project_raised(error, "loading the URLconf") from error
    left_to_python: dict[int, str] = {}
    behind = ""
    for entry, within in entries:
        why = next((left_to_python[id(above)] for above in within if left_to_python.get(id(above))), "")
        own = _own_reason(entry, within)
        if isinstance(entry, URLResolver):
            left_to_python[id(entry)] = own
            continue
        why = why or own
        shown = "/" + "".join(text_of(one.pattern) for one in (*within, entry))
        is_async = is_async_view(entry.callback)
        track = served.fixed or (ASYNC if is_async else SYNC)
        yield Route(
            shown,
            name_of(entry.callback),
            ":".join([*(one.namespace for one in within if one.namespace), entry.name]) if entry.name else "",
            track,
            "" if served.fixed else served.why or why or behind,
            is_async,
            tuple(_includes(within)),
            entry,
            within,
        )
        if why and not behind:
            behind = f"it stands behind {shown}, of which only Python can tell"


def as_json(served: Served, every: list[Route], shown: list[Route]) -> dict[str, Any]:
    """Everything, for programs."""
    from turnout.routes.holding import findings

    return {
        "project": served.project.name,
        "application": served.project.label,
        "urlconf": served.urlconf,
        "request": served.handler.request_kind if served.handler is not None else None,
        "routes": [
            {
                "route": route.shown,
                "view": route.view,
                "name": route.name or None,
                "namespaces": [include.namespace for include in route.includes if include.namespace],
                "track": route.track,
                "async_view": route.is_async,
                "decided": "request" if route.why else "start",
                "why": route.why or (served.why if served.fixed else None),
            }
            for route in shown
        ],
        "middleware": [
            {"middleware": path, "mode": mode, "why": why} for path, mode, why in served.described["middleware"]
        ],
        "keeps_a_thread": [finding._asdict() for finding in findings(served, every)],
        "notes": served.described["notes"],
    }


def text_of(pattern: Any) -> str:
    """A pattern as a person would write it into a path."""
    if isinstance(pattern, LocalePrefixPattern):
        return _LANGUAGE if pattern.prefix_default_language else _OPTIONAL_LANGUAGE
    text = str(pattern)
    return text.removeprefix("^") if isinstance(pattern, RegexPattern) else text


def name_of(view: Any) -> str:
    """Where a view is defined, through what is around it."""
    while isinstance(view, functools.partial):
        view = view.func
    # View.as_view() and REST framework's keep the class here; decorators that use `wraps` pass it on.
    for attribute in ("view_class", "cls"):
        found = getattr(view, attribute, None)
        if inspect.isclass(found):
            view = found
            break
    if not hasattr(view, "__qualname__"):
        view = type(view)
    return f"{view.__module__}.{view.__qualname__}"


def _rule(loaded: Project, handler: Any) -> tuple[str | None, str]:
    if handler is None:
        track = SYNC if loaded.kind == "wsgi" else ASYNC
        kind = f"{loaded.label} is served as plain {loaded.kind.upper()} ({loaded.why})"
        return track, f"{kind}: what runs on a thread inside, Django decides"
    whole = SYNC if handler.request_kind == "wsgi" else ASYNC
    if handler.compat:
        return whole, "--compat: Django's own handler runs every request"
    if handler.overridden:
        return whole, f"the project's handler class defines {', '.join(handler.overridden)}: it runs every request"
    decisions = handler.decisions
    replaced = f"{', '.join(handler.replaced)} of Django's handler replaced by other code"
    if handler.replaced and whole == SYNC:
        return SYNC, f"{replaced}: every request goes through that, on a thread"
    if decisions.async_only_middleware():
        return ASYNC, "a middleware is async only"
    if handler.replaced:
        return None, f"{replaced}: Python is asked first"
    if decisions.rerouting():
        return None, f"{', '.join(decisions.rerouting())} may change the URLconf or the path"
    return None, ""


def _own_reason(entry: Any, within: tuple[URLResolver, ...]) -> str:
    """Why only Python can tell what matches an entry, whatever it is within."""
    reason = why_left_to_python(entry) or ("a URLconf that includes itself" if entry in within else "")
    if reason and isinstance(entry.pattern, LocalePrefixPattern):
        reason = "i18n_patterns, the path begins with a language"
    return f"{text_of(entry.pattern) or '/'}: {reason}" if reason else ""


def _includes(within: tuple[URLResolver, ...]) -> Iterator[Include]:
    prefix = "/"
    for one in within:
        prefix += text_of(one.pattern)
        module = one.urlconf_name
        yield Include(
            prefix, module if isinstance(module, str) else getattr(module, "__name__", ""), one.namespace or ""
        )


def _is_below(route: str, prefix: str) -> bool:
    parts, wanted = route.split("/"), prefix.split("/")
    for position, word in enumerate(wanted):
        if position >= len(parts):
            return False
        part = parts[position]
        if "<path:" in part:
            return True
        if f"{part}/" == _LANGUAGE:
            texts = [code for code, _ in settings.LANGUAGES]
        elif any(mark in part for mark in "<([\\"):
            # A parameter or an expression may be any text.
            texts = [word]
        else:
            texts = [part]
        last = position == len(wanted) - 1
        if not any(text.startswith(word) if last else text == word for text in texts):
            return False
    return True
