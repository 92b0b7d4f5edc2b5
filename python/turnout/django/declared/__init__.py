"""Hooks that the project declares non-blocking: whether they can be, and how they run.

A declaration is `@non_blocking` (nonblocking.py) or a line of the setting (setting.py); judging.py says what comes of
them. What turnout has vetted itself stays under its conditions, whatever is declared about it. With DEBUG a guard
watches what declared hooks do on the loop (guard.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from turnout.django import hooks, targets
from turnout.django.declared import setting
from turnout.django.declared.guard import watch_call, watched
from turnout.django.declared.judging import AROUND, Judgement, check_pair, check_use, judge, mode
from turnout.django.hooks.verdicts import VettedView
from turnout.django.layers import Layer, OneMode
from turnout.django.nonblocking import is_declared

__all__ = ["check", "layer", "mode", "unused", "view_hook"]


def check() -> None:
    """At the start: a declaration that cannot hold is the project's fault, and said before any request comes."""
    targets.watch = watch_call if settings.DEBUG else None
    named = setting.named()
    for kind in named:
        check_pair(kind, named)
    for path in settings.MIDDLEWARE:
        found = import_string(path)
        if isinstance(found, type):
            check_use(found, named)
        elif is_declared(found):
            raise ImproperlyConfigured(
                f"@non_blocking on {path}: this middleware is one function around the rest of the chain and has no "
                "hooks that could run on the event loop; make it a MiddlewareMixin with hooks, or async"
            )


def unused() -> list[str]:
    """Classes that the setting names and no middleware is or comes from."""
    kinds = [kind for path in settings.MIDDLEWARE if isinstance(kind := import_string(path), type)]
    named = [home for home in setting.named() if not any(issubclass(kind, home) for kind in kinds)]
    return [f"{home.__module__}.{home.__qualname__}" for home in named]


def layer(middleware: Any) -> Layer | None:
    """The two hooks around the view of an instance whose class the project said something about; None: it did not."""
    judged = judge(type(middleware))
    if not (judged.inline or judged.rule):
        return None
    vetted = judged.rule.around(middleware) if judged.rule and judged.rule.around else None
    request_when = "process_request" in judged.inline or (vetted.request if vetted else False)
    response_when = "process_response" in judged.inline or (vetted.response if vetted else False)
    if all(name in judged.inline for name in AROUND):
        both = OneMode(lambda request: True)
        request_when, response_when = both.request, both.response
    return Layer(*(_hook(middleware, judged, name) for name in AROUND), request_when, response_when)


def view_hook(method: Any) -> VettedView | None:
    """When a process_view method runs on the loop because the project said so; None: it did not."""
    bound = hooks.unwrapped(method)
    middleware = getattr(bound, "__self__", None)
    if is_declared(bound):
        # A static method, which knows no class.
        return VettedView(True, watched(method, f"{bound.__module__}.{bound.__qualname__}", "@non_blocking"))
    if middleware is None or bound != getattr(middleware, "process_view", None):
        return None
    judged = judge(type(middleware))
    if "process_view" in judged.inline:
        return VettedView(True, _watched(method, type(middleware), judged, "process_view"))
    if judged.rule and judged.rule.view:
        return judged.rule.view(middleware, method, method is not bound)
    return None


def _hook(middleware: Any, judged: Judgement, name: str) -> Callable[..., Any] | None:
    hook = getattr(middleware, name, None)
    return _watched(hook, type(middleware), judged, name) if name in judged.inline else hook


def _watched(hook: Any, kind: type, judged: Judgement, name: str) -> Callable[..., Any]:
    return watched(hook, f"{kind.__module__}.{kind.__qualname__}.{name}", judged.inline[name].words)
