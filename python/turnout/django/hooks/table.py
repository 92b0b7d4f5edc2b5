"""Which built-in middleware have rules, and every function that turnout vouches for or stands in for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware

from turnout.django.hooks.common import always, common
from turnout.django.hooks.csrf import csrf
from turnout.django.hooks.sessions import messages, session
from turnout.django.hooks.verdicts import Vetted

RULES: dict[type, Callable[[Any], Vetted | None]] = {
    SecurityMiddleware: always,
    SessionMiddleware: session,
    CommonMiddleware: common,
    CsrfViewMiddleware: csrf,
    MessageMiddleware: messages,
    XFrameOptionsMiddleware: always,
}
# Its module imports models, which only a project that has them installed may do.
if apps.is_installed("django.contrib.auth"):
    from django.contrib.auth.middleware import AuthenticationMiddleware

    RULES[AuthenticationMiddleware] = always

# What lifecycle.py does in their place while only they listen.
LIFECYCLE = (
    "django.db.reset_queries",
    "django.db.close_old_connections",
    "django.core.cache.close_caches",
    "django.core.handlers.base.reset_urlconf",
    "django.http.response.HttpResponseBase.close",
    "django.http.request.HttpRequest.close",
    "django.core.handlers.asgi.ASGIRequest.close",
)

# Every function that turnout vouches for or stands in for: what vetting.py keeps hashes of. The constructor is here
# because a request may be built without calling it (requests.py).
HOOKS = (
    *(
        f"{home.__module__}.{home.__qualname__}.{name}"
        for home in RULES
        for name in ("process_request", "process_response", "process_view")
        if hasattr(home, name)
    ),
    *LIFECYCLE,
    "django.core.handlers.asgi.ASGIRequest.__init__",
    "django.core.handlers.base.BaseHandler.get_response",
)
