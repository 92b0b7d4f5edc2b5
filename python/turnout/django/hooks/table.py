"""Which middleware have rules, and every function that turnout vouches for or stands in for.

Classes are named and not imported: the modules of some import models, which only a project that has them installed may
do, and packages need not be there.
"""

from __future__ import annotations

from turnout.django import shortcuts
from turnout.django.hooks.bodies import conditional_get, gzip
from turnout.django.hooks.caches import cache_elsewhere, cached_pages
from turnout.django.hooks.common import always, broken_links, common, not_found
from turnout.django.hooks.csrf import csrf, csrf_view
from turnout.django.hooks.locale import locale
from turnout.django.hooks.metrics import counters, counters_view, counts_elsewhere
from turnout.django.hooks.policies import policy
from turnout.django.hooks.sessions import foreign_engine, foreign_storage, messages, session
from turnout.django.hooks.sites import FROM_TABLE, current_site, table_changed
from turnout.django.hooks.staticfiles import SERVING, asks_the_disk, static_files, static_files_apart
from turnout.django.hooks.tracing import BATCHING, runs_foreign_code, traced, traced_apart, traced_view
from turnout.django.hooks.users import hijacked, login_required, x_view
from turnout.django.hooks.verdicts import Rule
from turnout.django.targets import functions

_REQUEST = ("process_request",)
_RESPONSE = ("process_response",)
_BOTH = (*_REQUEST, *_RESPONSE)
_VIEW = ("process_view",)
_CALL = ("__call__",)

# RemoteUserMiddleware and its kin are not here: they are async of their own (remoteuser.py).
_DJANGO = {
    "django.middleware.security.SecurityMiddleware": Rule(_BOTH, always),
    "django.contrib.sessions.middleware.SessionMiddleware": Rule(_BOTH, session, why_not=foreign_engine),
    "django.middleware.common.CommonMiddleware": Rule(_BOTH, common),
    "django.middleware.common.BrokenLinkEmailsMiddleware": Rule(_RESPONSE, broken_links),
    "django.middleware.csrf.CsrfViewMiddleware": Rule((*_BOTH, *_VIEW), csrf, csrf_view),
    "django.contrib.auth.middleware.AuthenticationMiddleware": Rule(_REQUEST, always),
    "django.contrib.auth.middleware.LoginRequiredMiddleware": Rule(_VIEW, view=login_required),
    "django.contrib.messages.middleware.MessageMiddleware": Rule(_BOTH, messages, why_not=foreign_storage),
    "django.middleware.clickjacking.XFrameOptionsMiddleware": Rule(_RESPONSE, always),
    "django.middleware.csp.ContentSecurityPolicyMiddleware": Rule(_BOTH, always),
    "django.middleware.locale.LocaleMiddleware": Rule(_BOTH, locale),
    "django.middleware.gzip.GZipMiddleware": Rule(_RESPONSE, gzip),
    "django.middleware.http.ConditionalGetMiddleware": Rule(_RESPONSE, conditional_get),
    "django.middleware.cache.FetchFromCacheMiddleware": Rule(_REQUEST, cached_pages, why_not=cache_elsewhere),
    "django.middleware.cache.UpdateCacheMiddleware": Rule(_RESPONSE, cached_pages),
    "django.middleware.cache.CacheMiddleware": Rule(_BOTH, cached_pages, why_not=cache_elsewhere),
    "django.contrib.sites.middleware.CurrentSiteMiddleware": Rule(_REQUEST, current_site, why_not=table_changed),
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware": Rule(_RESPONSE, not_found),
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware": Rule(_RESPONSE, not_found),
    "django.contrib.admindocs.middleware.XViewMiddleware": Rule(_VIEW, view=x_view),
}

# Those of cors-headers, allauth's accounts, simple-history, axes and otp are async of their own.
_PACKAGES = {
    "whitenoise.middleware.WhiteNoiseMiddleware": Rule(
        _CALL, static_files, why_not=asks_the_disk, apart=static_files_apart, fixed=SERVING
    ),
    "django_prometheus.middleware.PrometheusBeforeMiddleware": Rule(_BOTH, counters, why_not=counts_elsewhere),
    "django_prometheus.middleware.PrometheusAfterMiddleware": Rule(
        (*_BOTH, *_VIEW), counters, counters_view, why_not=counts_elsewhere
    ),
    "csp.middleware.CSPMiddleware": Rule(_BOTH, policy),
    "csp.contrib.rate_limiting.RateLimitedCSPMiddleware": Rule(_BOTH, policy),
    "waffle.middleware.WaffleMiddleware": Rule(_RESPONSE, always),
    "hijack.middleware.HijackUserMiddleware": Rule(_BOTH, hijacked),
    "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware": Rule(
        (*_CALL, *_BOTH, *_VIEW), traced, traced_view, why_not=runs_foreign_code, apart=traced_apart
    ),
}
RULES = {**_DJANGO, **_PACKAGES}

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
    *(f"{home}.{hook}" for home, rule in _DJANGO.items() for hook in rule.hooks),
    *LIFECYCLE,
    *shortcuts.FUNCTIONS,
    *functions.FUNCTIONS,
    FROM_TABLE,
    "django.core.handlers.asgi.ASGIRequest.__init__",
    "django.core.handlers.base.BaseHandler.get_response",
)
PACKAGE_HOOKS = (*(f"{home}.{hook}" for home, rule in _PACKAGES.items() for hook in rule.hooks), BATCHING)
