"""The hooks of Django's middleware, and when each may run on the event loop.

A hook is inline only while it is the function Django shipped (vetting.py) and its condition says that nothing it does
for this request can block: no database, no cache, no file, no e-mail, no template. In doubt: the request's thread.
"""

from __future__ import annotations

from typing import Any

from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin

from turnout.django import vetting
from turnout.django.hooks.csrf import accepts, needs_no_thread, probing
from turnout.django.hooks.table import HOOKS, LIFECYCLE, RULES
from turnout.django.hooks.verdicts import Vetted, VettedView

__all__ = ["HOOKS", "LIFECYCLE", "seen_through", "vetted", "view_hook", "why_not_class"]


def vetted(middleware: Any) -> Vetted | None:
    """The verdict about one instance; None: both hooks go to the thread."""
    home, rules = _rules_of(type(middleware))
    if home is None or why_not_class(type(middleware)):
        return None
    return rules(middleware)


def why_not_class(kind: type) -> str:
    """Why the hooks of a middleware class hop; empty when they are vetted."""
    home, _ = _rules_of(kind)
    if home is None:
        return "not vetted"
    overridden = _overrides(kind, home)
    if overridden:
        return f"{kind.__qualname__} overrides {', '.join(overridden)}"
    names = [name for name in ("process_request", "process_response") if hasattr(home, name)]
    return vetting.verdict([f"{home.__module__}.{home.__qualname__}.{name}" for name in names])


def view_hook(method: Any) -> VettedView | None:
    """The verdict about a process_view method (bound, or wrapped by Sentry)."""
    bound = getattr(method, "__wrapped__", method)
    middleware = getattr(bound, "__self__", None)
    if not isinstance(middleware, CsrfViewMiddleware) or getattr(bound, "__name__", "") != "process_view":
        return None
    if method is not bound and not _is_sentrys(method):
        return None
    if _overrides(type(middleware), CsrfViewMiddleware):
        return None
    if vetting.verdict(["django.middleware.csrf.CsrfViewMiddleware.process_view"]):
        return None
    if method is not bound:
        return VettedView(accepts, method)
    return VettedView(needs_no_thread, probing(middleware))


def seen_through(middleware: Any) -> Any:
    """The instance inside Sentry's wrapper, else the instance itself."""
    inner = getattr(middleware, "_inner", None)
    if inner is not None and any(cls.__qualname__.endswith("SentryASGIMixin") for cls in type(middleware).__mro__):
        return inner
    return middleware


def _is_sentrys(method: Any) -> bool:
    return method.__code__.co_filename.replace("\\", "/").endswith("sentry_sdk/integrations/django/middleware.py")


def _rules_of(kind: type) -> tuple[type | None, Any]:
    for home, rules in RULES.items():
        if issubclass(kind, home):
            return home, rules
    return None, None


def _overrides(kind: type, home: type) -> list[str]:
    """What a subclass (up to the built-in) defines besides data; nothing for the built-in itself."""
    found: list[str] = []
    for cls in kind.__mro__:
        if cls is home:
            break
        if cls in (MiddlewareMixin, object):
            continue
        found += [
            name
            for name, value in cls.__dict__.items()
            if name not in ("__module__", "__doc__", "__qualname__", "__firstlineno__", "__static_attributes__")
            and not isinstance(value, type)
            and (callable(value) or hasattr(value, "__get__"))
        ]
    return found
