"""Middleware that only compute, or block on a 404 alone: security headers, slashes, broken links."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls.converters import DEFAULT_CONVERTERS, get_converters

from turnout.django.hooks.verdicts import Vetted

_CONTENTS = (HttpResponse.content, SimpleTemplateResponse.content)


def always(middleware: Any) -> Vetted:
    """For hooks that only compute."""
    return Vetted(True, True)


def common(middleware: Any) -> Vetted:
    """Both hooks may try URLs, which asks the project's path converters."""
    return Vetted(_no_www, _no_blocking_404)


def broken_links(middleware: Any) -> Vetted:
    """A broken link is a 404 outside of debugging, and an e-mail."""
    return Vetted(True, lambda request, response: response.status_code != 404 or settings.DEBUG)


def not_found(middleware: Any) -> Vetted:
    """For fallbacks, which look for something else to answer where the project had a 404."""
    return Vetted(True, lambda request, response: response.status_code != 404)


def _no_www(request: Any) -> bool:
    return not settings.PREPEND_WWW or can_try_urls(request)


def _no_blocking_404(request: Any, response: Any) -> bool:
    if response.status_code == 404:
        return can_try_urls(request)
    return response.streaming or has_plain_content(response)


def can_try_urls(request: Any) -> bool:
    """Whether resolving a path runs nothing but Django's code."""
    return only_own_converters() and urlconf_is_loaded(request)


def urlconf_is_loaded(request: Any) -> bool:
    """Whether the URLconf of this request is imported: the project's is, at the start."""
    urlconf = getattr(request, "urlconf", None)
    return not isinstance(urlconf, str) or urlconf in sys.modules


#: Classes of converters that are not Django's and were read: they only compute.
read_converters: set[type] = set()


def only_own_converters() -> bool:
    """Whether every registered path converter is one that was read: others may ask the database when a URL is tried."""
    return all(
        type(converter) is type(DEFAULT_CONVERTERS.get(name)) or type(converter) in read_converters
        for name, converter in get_converters().items()
    )


def has_plain_content(response: Any) -> bool:
    """Whether `response.content` is bytes at hand (a TemplateResponse has been rendered when a hook sees it)."""
    return getattr(type(response), "content", None) in _CONTENTS
