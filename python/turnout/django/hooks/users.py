"""Hooks that ask who the user is: LoginRequiredMiddleware, XViewMiddleware, django-hijack's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.utils.functional import SimpleLazyObject, empty

from turnout.django.hooks.sessions import is_at_hand, is_djangos
from turnout.django.hooks.verdicts import Vetted, VettedView

# Up to 5.2 the middleware asked for the user first, which may empty a session and marks it as read.
_VIEW_IS_ASKED_FIRST = django.VERSION >= (6, 0)


def login_required(middleware: Any, method: Callable[..., Any], wrapped: bool) -> VettedView:
    """A login page is a redirect: no template is rendered here."""
    return VettedView(_no_user_to_load, method)


def x_view(middleware: Any, method: Callable[..., Any], wrapped: bool) -> VettedView:
    """Only a HEAD request from elsewhere asks for the user."""
    return VettedView(_head_from_inside, method)


def hijacked(middleware: Any) -> Vetted:
    """The user is wrapped once more; it is loaded where REMOTE_USER is to be overwritten or a notice may be due."""
    return Vetted(_wraps_user, _no_notice)


def _wraps_user(request: Any) -> bool:
    return "REMOTE_USER" not in request.META and "user" in request.__dict__


def _no_notice(request: Any, response: Any) -> bool:
    session = getattr(request, "session", None)
    if session is None or not is_djangos(type(session)):
        return False
    if session.is_empty() or not session.accessed:
        return True
    user = request.__dict__.get("user")
    loaded = user._wrapped if type(user) is SimpleLazyObject else user
    # Set by its process_request when the user is loaded.
    return loaded is not empty and loaded is not None and loaded.__dict__.get("is_hijacked") is False


def _no_user_to_load(request: Any, callback: Any) -> bool:
    if _VIEW_IS_ASKED_FIRST and not getattr(callback, "login_required", True):
        return True
    return _is_known(request)


def _head_from_inside(request: Any, callback: Any) -> bool:
    return request.method != "HEAD" or request.META.get("REMOTE_ADDR") in settings.INTERNAL_IPS


def _is_known(request: Any) -> bool:
    """Whether `request.user.is_authenticated` asks no database."""
    user = request.__dict__.get("user")
    if type(user) is SimpleLazyObject:
        if user._wrapped is empty:
            # Django's own way to find the user, and nobody logged in to find, or the user was found already.
            if not asks_django(user):
                return False
            if not hasattr(request, "_cached_user"):
                return nobody_in(request)
            user = request._cached_user
        else:
            user = user._wrapped
    return user is not None and _answers_plainly(type(user))


def asks_django(user: SimpleLazyObject) -> bool:
    """Whether a lazy user is the one of Django's middleware, not asked yet."""
    middleware = sys.modules["django.contrib.auth.middleware"].AuthenticationMiddleware
    setup = user.__dict__["_setupfunc"]
    return getattr(setup, "__code__", None) in middleware.process_request.__code__.co_consts


def nobody_in(request: Any) -> bool:
    """Whether the session is at hand and nobody is logged in there."""
    session = getattr(request, "session", None)
    if session is None or not is_at_hand(session):
        return False
    # What the hook does itself: a session counts as read from here on.
    return SESSION_KEY not in session


def _answers_plainly(kind: type) -> bool:
    models = sys.modules["django.contrib.auth.models"]
    base = sys.modules["django.contrib.auth.base_user"].AbstractBaseUser
    return getattr(kind, "is_authenticated", None) in (
        base.is_authenticated,
        models.AnonymousUser.is_authenticated,
    )
