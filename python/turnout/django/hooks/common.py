"""SecurityMiddleware, CommonMiddleware, XFrameOptionsMiddleware."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.middleware.common import CommonMiddleware
from django.urls.converters import DEFAULT_CONVERTERS, get_converters

from turnout.django.hooks.verdicts import Vetted


def always(middleware: Any) -> Vetted:
    """For hooks that only compute."""
    return Vetted(True, True)


def common(middleware: CommonMiddleware) -> Vetted:
    """Both hooks may try URLs, which asks the project's path converters."""
    return Vetted(_no_www, _no_blocking_404)


def _no_www(request: Any) -> bool:
    return not settings.PREPEND_WWW or only_own_converters()


def _no_blocking_404(request: Any, response: Any) -> bool:
    if response.status_code == 404:
        return only_own_converters()
    return response.streaming or type(response).content is HttpResponse.content


def only_own_converters() -> bool:
    """Whether every registered path converter is one of Django's: others may ask the database when a URL is tried."""
    return get_converters().keys() == DEFAULT_CONVERTERS.keys() and all(
        type(converter) is type(DEFAULT_CONVERTERS[name]) for name, converter in get_converters().items()
    )
