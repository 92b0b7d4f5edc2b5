"""LocaleMiddleware: on the loop once the language's catalogue is in memory."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.utils.translation import trans_real

from turnout.django.hooks.common import can_try_urls, urlconf_is_loaded
from turnout.django.hooks.verdicts import Vetted

# A project that names its languages names few; Django's own list has a hundred, each 10 ms and 185 kB (measured).
_LANGUAGES_AT_START = 24


def locale(middleware: Any) -> Vetted:
    """The first request in a language loads its catalogue, on a thread."""
    return Vetted(_language_is_loaded, _no_redirect_to_try)


def load_languages() -> None:
    """Before the first request: the project's languages, unless there are so many that most are never asked for."""
    if not settings.USE_I18N:
        return
    wanted = {settings.LANGUAGE_CODE}
    if len(settings.LANGUAGES) <= _LANGUAGES_AT_START:
        wanted |= trans_real.get_languages().keys()
    for code in wanted:
        trans_real.translation(code)
        trans_real.check_for_language(code)


def _language_is_loaded(request: Any) -> bool:
    if not settings.USE_I18N:
        return True
    if not urlconf_is_loaded(request):
        return False
    in_path, _ = is_language_prefix_patterns_used(getattr(request, "urlconf", settings.ROOT_URLCONF))
    language = trans_real.get_language_from_request(request, check_path=in_path)
    # The second one is what a path without a language means under i18n_patterns(prefix_default_language=False).
    loaded = trans_real._translations
    return language in loaded and (not in_path or settings.LANGUAGE_CODE in loaded)


def _no_redirect_to_try(request: Any, response: Any) -> bool:
    return response.status_code != 404 or can_try_urls(request)
