"""CsrfViewMiddleware: its checks run on the loop, the page that says no is rendered on a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.middleware.csrf import CsrfViewMiddleware

from turnout.django.hooks.sessions import is_at_hand
from turnout.django.hooks.verdicts import Vetted, VettedView
from turnout.django.layers import OnThread

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
# A form of this size is parsed in well under a millisecond; larger ones go to the thread.
_FORM_INLINE_BYTES = 16 * 1024


def csrf(middleware: Any) -> Vetted:
    """Only a token kept in the session makes these hooks block."""
    return Vetted(_csrf_request, _csrf_response)


def csrf_view(middleware: CsrfViewMiddleware, method: Callable[..., Any], wrapped: bool) -> VettedView:
    """Through a wrapper the hook cannot be asked without rendering, so only what it lets through runs here."""
    if wrapped:
        return VettedView(_accepts, method)
    return VettedView(_needs_no_thread, _probing(middleware))


def _csrf_request(request: Any) -> bool:
    if not settings.CSRF_USE_SESSIONS:
        return True
    session = getattr(request, "session", None)
    return session is None or is_at_hand(session)


def _csrf_response(request: Any, response: Any) -> bool:
    return not settings.CSRF_USE_SESSIONS or not request.META.get("CSRF_COOKIE_NEEDS_UPDATE")


def _accepts(request: Any, callback: Any) -> bool:
    """Requests that process_view lets through without a look at their body, their token or their origin."""
    return (
        request.method in _SAFE_METHODS
        or getattr(request, "csrf_processing_done", False)
        or getattr(callback, "csrf_exempt", False)
    )


def _needs_no_thread(request: Any, callback: Any) -> bool:
    if _accepts(request, callback):
        return True
    if not _csrf_request(request):
        return False
    if request.method != "POST" or hasattr(request, "_post"):
        return True
    if request.content_type == "multipart/form-data":
        return False
    if request.content_type != "application/x-www-form-urlencoded":
        return True
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdecimal() and int(length) <= _FORM_INLINE_BYTES and hasattr(request, "_stream")


class _Rejection(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Reporting:
    """In front of Django's class: its checks as they are, a rejection reported instead of rendered."""

    def _reject(self, request: Any, reason: str) -> Any:
        raise _Rejection(reason)


def _probing(middleware: CsrfViewMiddleware) -> Callable[..., Any]:
    kind: Any = type("CsrfProbe", (_Reporting, type(middleware)), {})
    probe = kind.__new__(kind)
    # Shared on purpose: the cached origins belong to the instance in the chain.
    probe.__dict__ = middleware.__dict__
    check = probe.process_view

    def process_view(request: Any, callback: Any, args: Any, kwargs: Any) -> Any:
        try:
            return check(request, callback, args, kwargs)
        except _Rejection as rejection:
            reason = rejection.reason
        return OnThread(middleware._reject, request, reason)

    return process_view
