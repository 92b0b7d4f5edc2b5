"""`manage.py check` reads `TURNOUT["HTTP"]` before a request does."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from turnout.http.settings import NAME, read


@register("turnout")  # type: ignore[untyped-decorator]  # Django has no types
def check_http_setting(app_configs: Any = None, **_more: Any) -> list[Error]:
    """One error, for the first mistake."""
    given = getattr(settings, "TURNOUT", {})
    if not isinstance(given, dict):
        return [Error(f"TURNOUT in the settings must be a dict, and is a {type(given).__name__}", id="turnout.E001")]
    try:
        read(given.get("HTTP", {}))
    except ValueError as error:
        return [Error(str(error), hint=f"See docs/guide/http.md for what {NAME} may say.", id="turnout.E002")]
    return []
