"""django-csp: the header is put together from the settings and from what decorators left on the response."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from turnout.django.hooks.verdicts import Vetted

_SETTINGS = ("CONTENT_SECURITY_POLICY", "CONTENT_SECURITY_POLICY_REPORT_ONLY")
_DECORATED = tuple(f"_csp_{what}{which}" for what in ("config", "update", "replace") for which in ("", "_ro"))
_PLAIN = (str, bool, int, float, type(None))


def policy(middleware: Any) -> Vetted:
    """Whatever makes a directive's text when it is asked for may do anything: a lazy object, for one."""
    return Vetted(True, _is_plain_text)


def _is_plain_text(request: Any, response: Any) -> bool:
    values = [getattr(settings, name, None) for name in _SETTINGS]
    values += [getattr(response, name, None) for name in _DECORATED]
    return all(value is None or _is_plain(value) for value in values)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(map(_is_plain, value.values()))
    if kind in (list, tuple, set, frozenset):
        return all(map(_is_plain, value))
    return kind in _PLAIN
