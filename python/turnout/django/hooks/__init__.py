"""The hooks of Django's middleware and of some packages', and when each may run on the event loop.

A hook is inline only while it is the function that was read (vetting.py) and its condition says that nothing it does
for this request can block: no database, no cache, no file, no e-mail, no template. In doubt: the request's thread.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.middleware.locale import LocaleMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string
from django.utils.timezone import get_default_timezone

from turnout.django import vetting
from turnout.django.hooks.locale import load_languages
from turnout.django.hooks.table import HOOKS, LIFECYCLE, PACKAGE_HOOKS, RULES
from turnout.django.hooks.verdicts import Hooks, Rule, Vetted, VettedView

__all__ = [
    "HOOKS",
    "LIFECYCLE",
    "PACKAGE_HOOKS",
    "Hooks",
    "apart",
    "inherited",
    "is_sentrys",
    "overrides",
    "seen_through",
    "unwrapped",
    "vetted",
    "view_hook",
    "vouched_for",
    "warm_up",
    "why_not_apart",
    "why_not_class",
]

_AROUND = ("__call__", "process_request", "process_response")
_NO_METHODS = frozenset(("__module__", "__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"))


def vetted(middleware: Any) -> Vetted | None:
    """The verdict about what one instance does around the view; None: both hooks go to the thread."""
    home, rule = _rule_of(type(middleware))
    if home is None or rule.around is None or _why_not(type(middleware), home, rule, _AROUND):
        return None
    return rule.around(middleware)


def view_hook(method: Any) -> VettedView | None:
    """The verdict about a process_view method (bound, or wrapped by Sentry)."""
    bound = unwrapped(method)
    middleware = getattr(bound, "__self__", None)
    home, rule = _rule_of(type(middleware))
    if home is None or rule.view is None or getattr(bound, "__name__", "") != "process_view":
        return None
    if _why_not(type(middleware), home, rule, ("process_view",)):
        return None
    return rule.view(middleware, method, method is not bound)


def why_not_class(kind: type) -> str:
    """Why hooks of a middleware class hop; empty when all of them are vetted."""
    home, rule = _rule_of(kind)
    if home is None:
        return "not vetted"
    return _why_not(kind, home, rule, rule.hooks) or (rule.why_not() if rule.why_not else "")


def inherited(kind: type, own: Collection[str] | None) -> tuple[type | None, Rule, str]:
    """What is known about hooks that a class has, unchanged, from one with a rule, and why they are not vetted.

    `own` names what the class may override because the project answers for it; None: all that it overrides.
    """
    home, rule = _rule_of(kind)
    if home is None or home is kind:
        return None, Rule(()), ""
    overridden = overrides(kind, home)
    others = [name for name in overridden if own is not None and name not in own]
    if others:
        return home, rule, f"{kind.__qualname__} overrides {', '.join(others)}"
    kept = [f"{home.__module__}.{home.__qualname__}.{name}" for name in rule.hooks if name not in overridden]
    return home, rule, vetting.verdict(kept) if kept else ""


def vouched_for(kind: type) -> str:
    """Which code was read, for a class whose hooks are all vetted."""
    home, _ = _rule_of(kind)
    package = home.__module__.partition(".")[0] if home is not None else ""
    return f"vetted for Django {vetting.release()}" if package == "django" else f"vetted in this version of {package}"


def apart(middleware: Any) -> Hooks | None:
    """The two hooks of a sync-only middleware whose `__call__` was read; None for any other."""
    _, rule = _rule_of(type(middleware))
    return rule.apart(middleware) if rule.apart is not None and why_not_apart(type(middleware)) == "" else None


def why_not_apart(kind: type) -> str | None:
    """Why a sync-only class is called as it is; empty when it is told as two hooks, None when nobody read it."""
    home, rule = _rule_of(kind)
    if home is None or rule.apart is None or getattr(kind, "async_capable", False):
        return None
    return _why_not(kind, home, rule, rule.hooks)


def warm_up() -> None:
    """At the start: what the hooks of this project would otherwise load in front of a first request."""
    if any(_is_locale(path) for path in settings.MIDDLEWARE):
        load_languages()
    # Read from disk on first use: by cached pages, whose keys name the zone, and by dates anywhere.
    get_default_timezone()


def seen_through(middleware: Any) -> Any:
    """The instance inside Sentry's wrapper, else the instance itself."""
    inner = getattr(middleware, "_inner", None)
    return inner if inner is not None and is_sentrys(type(middleware)) else middleware


def is_sentrys(kind: Any) -> bool:
    """Whether a class is one of the wrappers that Sentry puts around every middleware."""
    return any(cls.__qualname__.endswith("SentryASGIMixin") for cls in getattr(kind, "__mro__", ()))


def unwrapped(method: Any) -> Any:
    """The bound method inside Sentry's wrapper, else the method itself; None inside anybody else's."""
    bound = getattr(method, "__wrapped__", method)
    return bound if method is bound or (hasattr(method, "__code__") and _is_wrapped_by_sentry(method)) else None


def _is_locale(path: str) -> bool:
    kind = import_string(path)
    return isinstance(kind, type) and issubclass(kind, LocaleMiddleware)


def _is_wrapped_by_sentry(method: Any) -> bool:
    return method.__code__.co_filename.replace("\\", "/").endswith("sentry_sdk/integrations/django/middleware.py")


def _rule_of(kind: type) -> tuple[type | None, Rule]:
    """The nearest class with a rule that a class is or comes from, and its rule."""
    for cls in kind.__mro__:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if name in RULES and vetting.find(name) is cls:
            return cls, RULES[name]
    return None, Rule(())


def _why_not(kind: type, home: type, rule: Rule, names: tuple[str, ...]) -> str:
    overridden = overrides(kind, home)
    if rule.fixed:
        overridden = [name for name in overridden if name in rule.fixed]
    if overridden:
        return f"{kind.__qualname__} overrides {', '.join(overridden)}"
    return vetting.verdict([f"{home.__module__}.{home.__qualname__}.{name}" for name in names if name in rule.hooks])


def overrides(kind: type, home: type) -> list[str]:
    """What a subclass (up to the class with the rule) defines besides data; nothing for that class itself."""
    found: list[str] = []
    for cls in kind.__mro__:
        if cls is home:
            break
        if cls in (MiddlewareMixin, object):
            continue
        found += [
            name
            for name, value in cls.__dict__.items()
            if name not in _NO_METHODS
            and not isinstance(value, type)
            and (callable(value) or hasattr(value, "__get__"))
        ]
    return found
