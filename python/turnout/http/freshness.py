"""The `Cache-Control` of an answer that was put together from several (RFC 9111, 4.2 and 5.2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any

from turnout.http.outcomes import Outcome
from turnout.http.status import Status

# A directive with its argument, a token or a quoted string.
_DIRECTIVE = re.compile(
    r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?\s*(?:,|$)"""
)
# The largest delta-seconds that need be understood (RFC 9111, 1.2.2).
_LONGEST = 2**31


def of_all(outcomes: Iterable[Outcome[Any]]) -> str:
    """As fresh as the least fresh, as private as the most private; `no-store` if one failed, fell back or is stale."""
    parts = list(outcomes)
    if not parts or any(part.status is not Status.OK for part in parts):
        return "no-store"
    said = [_directives(part.response) for part in parts]
    if any("no-store" in words for words in said):
        return "no-store"
    lifetimes = [_lifetime(part.response, words) for part, words in zip(parts, said, strict=True)]
    private = any(_is_private(part.response, words) for part, words in zip(parts, said, strict=True))
    result = ["private"] if private else ["public"] if all("public" in words for words in said) else []
    if any("no-cache" in words for words in said) or any(lifetime is None for lifetime in lifetimes):
        return ", ".join([*result, "no-cache"])
    result.append(f"max-age={min(lifetime for lifetime in lifetimes if lifetime is not None)}")
    if any(words.keys() & {"must-revalidate", "proxy-revalidate"} for words in said):
        result.append("must-revalidate")
    return ", ".join(result)


def _directives(response: Any) -> dict[str, str]:
    text = _header(response, "cache-control")
    return {found[1].lower(): found[2] or found[3] or "" for found in _DIRECTIVE.finditer(text)}


def _lifetime(response: Any, words: dict[str, str]) -> int | None:
    """Seconds for which it is fresh from now on; None if the upstream says nothing, for then nobody may guess."""
    if "max-age" in words:
        lifetime = _seconds(words["max-age"])
    else:
        expires, date = _header(response, "expires"), _header(response, "date")
        if not expires:
            return None
        try:
            lifetime = int((parsedate_to_datetime(expires) - parsedate_to_datetime(date)).total_seconds())
        except (TypeError, ValueError):
            # "0" and other words that are no dates mean "already" (5.3).
            lifetime = 0
    return max(0, lifetime - _seconds(_header(response, "age") or "0"))


def _is_private(response: Any, words: dict[str, str]) -> bool:
    """Also what was asked with credentials and not said to be everybody's (3.5)."""
    if "private" in words:
        return True
    asked = getattr(getattr(response, "request", None), "headers", None)
    if asked is None or "authorization" not in asked:
        return False
    return not words.keys() & {"public", "s-maxage", "must-revalidate"}


def _seconds(text: str) -> int:
    """A number that is none counts as stale."""
    return min(int(text), _LONGEST) if text.isascii() and text.isdigit() else 0


def _header(response: Any, name: str) -> str:
    value = None if response is None else response.headers.get(name)
    return "" if value is None else str(value)
