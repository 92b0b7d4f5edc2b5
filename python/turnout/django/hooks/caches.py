"""The cache middleware: on the loop where they leave the cache alone, or where it is in this process."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.cache import has_vary_header

from turnout.django.hooks.verdicts import Vetted

_BACKENDS = "django.core.cache.backends."
_DUMMY = f"{_BACKENDS}dummy.DummyCache"
_LOCAL = f"{_BACKENDS}locmem.LocMemCache"
_REFUSED = frozenset(("private", "no-cache", "no-store"))


def cached_pages(middleware: Any) -> Vetted:
    """Reads may look into a cache in memory; writes pickle a whole response, so only a dummy takes them here."""
    alias = middleware.cache_alias

    def reads_inline(request: Any) -> bool:
        return request.method not in ("GET", "HEAD") or _backend(alias) in (_DUMMY, _LOCAL)

    def writes_inline(request: Any, response: Any) -> bool:
        return _stays_out_of_the_cache(request, response) or _backend(alias) == _DUMMY

    return Vetted(reads_inline, writes_inline)


def cache_elsewhere() -> str:
    """For the banner: a cache that is asked over the network or on disk, on a thread, for each GET."""
    alias = settings.CACHE_MIDDLEWARE_ALIAS
    if _backend(alias) in (_DUMMY, _LOCAL):
        return ""
    return f"the cache {alias!r} is not in this process's memory"


def _backend(alias: str) -> str:
    """The class of a cache; none where the project has its own way to make keys."""
    config = settings.CACHES.get(alias, {})
    return config.get("BACKEND", "") if not config.get("KEY_FUNCTION") else ""


def _stays_out_of_the_cache(request: Any, response: Any) -> bool:
    """The reasons not to store a response, as far as UpdateCacheMiddleware asks them before anything else."""
    if not getattr(request, "_cache_update_cache", False):
        return True
    if response.streaming or response.status_code not in (200, 304):
        return True
    if response.cookies and has_vary_header(response, "Cookie"):
        return True
    # Releases differ about what is in quotes, so nothing is read out of those.
    control = response.get("Cache-Control", "").lower()
    names = {directive.split("=")[0].strip() for directive in control.split(",")}
    return '"' not in control and not _REFUSED.isdisjoint(names)
