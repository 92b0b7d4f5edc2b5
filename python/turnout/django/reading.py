"""What a hook stands on: the functions of Django and of its own package that it calls, found in its source.

Used when the tables of vetting.py are written, by somebody who reads what comes out. It follows names, `self`, modules
and classes; what a hook reaches through other objects is listed here by hand. It may find more than runs, never less
than is listed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from turnout.django.targets.functions import FUNCTIONS as _TARGETS
from turnout.django.vetting import find, fingerprint, plain_function

# Where the hooks get what they work on; `request.x` and `response.x` in them mean these classes.
_SUBJECTS = {
    "request": ("django.core.handlers.asgi.ASGIRequest", "django.core.handlers.wsgi.WSGIRequest"),
    "response": ("django.http.response.HttpResponse", "django.template.response.SimpleTemplateResponse"),
}

# Hooks of which only the first lines run on the loop: what they call after those is no concern of ours.
_ALONE = frozenset(
    (
        "django.middleware.common.BrokenLinkEmailsMiddleware.process_response",
        "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware.process_response",
        "django.contrib.redirects.middleware.RedirectFallbackMiddleware.process_response",
        # It makes lazy objects; who asks them is another matter.
        "django.contrib.auth.middleware.AuthenticationMiddleware.process_request",
    )
)
# Reached on threads only, whoever calls them.
_ON_THREADS = frozenset(
    (
        "django.contrib.messages.storage.base.BaseStorage._store",
        "django.core.handlers.exception.response_for_exception",
        "django.middleware.csrf._get_failure_view",
        "django.template.loader.render_to_string",
        "django.middleware.csrf.CsrfViewMiddleware._reject",
        "django.template.response.SimpleTemplateResponse.render",
        "django.utils.log.log_response",
        "whitenoise.base.WhiteNoise.find_file",
        # What sends the spans has a thread of its own; a span of a tracer has its resource.
        "opentelemetry.sdk._shared_internal.BatchProcessor._at_fork_reinit",
        "opentelemetry.sdk.resources.Resource.create",
    )
)

_STORES = "django.contrib.sessions.backends."
_STORAGES = "django.contrib.messages.storage."
_RESOLVERS = "django.urls.resolvers."
_TRANSLATION = "django.utils.translation.trans_real."
_BACKENDS = "django.core.cache.backends."

_READING_A_SESSION = (
    *(f"{_STORES}base.SessionBase.{name}" for name in ("__contains__", "__getitem__", "get", "_get_session")),
    f"{_STORES}signed_cookies.SessionStore.load",
)
_TRYING_A_PATH = (
    *(f"{_RESOLVERS}{name}.resolve" for name in ("URLResolver", "URLPattern")),
    *(f"{_RESOLVERS}{name}.match" for name in ("RoutePattern", "RegexPattern", "LocalePrefixPattern")),
)
_FINDING_A_LANGUAGE = (
    *(f"{_TRANSLATION}get_language{name}" for name in ("", "_from_path", "_from_request")),
    *(f"{_TRANSLATION}{name}" for name in ("activate", "translation", "DjangoTranslation.to_language")),
)
_READING_A_CACHE = (
    *(f"{_BACKENDS}dummy.DummyCache.{name}" for name in ("get", "set")),
    *(f"{_BACKENDS}locmem.LocMemCache.{name}" for name in ("get", "_has_expired", "_delete")),
    *(f"{_BACKENDS}base.{name}" for name in ("BaseCache.make_and_validate_key", "BaseCache.validate_key")),
    f"{_BACKENDS}base.default_key_func",
    "django.utils.connection.BaseConnectionHandler.__getitem__",
    "django.core.cache.CacheHandler.create_connection",
)
_FINDING_NOBODY = (
    *_READING_A_SESSION,
    "django.contrib.auth.middleware.get_user",
    "django.contrib.auth.base_user.AbstractBaseUser.is_authenticated",
    "django.contrib.auth.models.AnonymousUser.is_authenticated",
)

_METRICS = "prometheus_client.metrics."
_OTEL = "opentelemetry.instrumentation.django.middleware.otel_middleware._DjangoMiddleware."
_SDK = "opentelemetry.sdk.trace."
_HIJACK = "hijack.middleware.HijackUserMiddleware."

_COUNTING = (
    *(f"{_METRICS}MetricWrapperBase.{name}" for name in ("__init__", "labels", "_raise_if_not_observable")),
    *(f"{_METRICS}MetricWrapperBase.{name}" for name in ("_is_observable", "_is_parent")),
    *(f"{_METRICS}Counter.{name}" for name in ("inc", "_metric_init")),
    *(f"{_METRICS}Histogram.{name}" for name in ("__init__", "observe", "_metric_init", "_prepare_buckets")),
    *(f"prometheus_client.values.MutexValue.{name}" for name in ("__init__", "inc", "set_exemplar")),
)
_STARTING_A_SPAN = (
    f"{_SDK}Tracer.start_span",
    f"{_SDK}SynchronousMultiSpanProcessor.on_start",
    *(f"{_SDK}Span.{name}" for name in ("__init__", "start", "is_recording", "set_attribute", "set_attributes")),
    "opentelemetry.trace.ProxyTracer.start_span",
    "opentelemetry.trace.ProxyTracer._tracer",
    "opentelemetry.util.http.ExcludeList.url_disabled",
    "opentelemetry.propagators.composite.CompositePropagator.extract",
    "opentelemetry.trace.propagation.tracecontext.TraceContextTextMapPropagator.extract",
    "opentelemetry.baggage.propagation.W3CBaggagePropagator.extract",
    *(f"{_SDK}sampling.{name}.should_sample" for name in ("StaticSampler", "TraceIdRatioBased", "ParentBased")),
)

_AUTH = "django.contrib.auth.middleware."
_MIDDLEWARE = "django.middleware."
# What the hooks reach through objects that the reading below cannot follow.
_ALSO: dict[str, tuple[str, ...]] = {
    "django.core.handlers.base.BaseHandler.resolve_request": (*_TRYING_A_PATH, f"{_RESOLVERS}ResolverMatch.__init__"),
    "django.contrib.sessions.middleware.SessionMiddleware.process_request": (
        f"{_STORES}base.SessionBase.__init__",
        *(f"{_STORES}{name}.SessionStore.__init__" for name in ("db", "cache", "cached_db", "file")),
    ),
    "django.contrib.sessions.middleware.SessionMiddleware.process_response": (
        *(
            f"{_STORES}base.SessionBase.{name}"
            for name in ("is_empty", "get_expire_at_browser_close", "get_expiry_age")
        ),
        *(f"{_STORES}signed_cookies.SessionStore.{name}" for name in ("load", "save", "_get_session_key")),
    ),
    "django.contrib.messages.middleware.MessageMiddleware.process_request": (
        f"{_STORAGES}default_storage",
        f"{_STORAGES}base.BaseStorage.__init__",
        f"{_STORAGES}fallback.FallbackStorage.__init__",
        f"{_STORAGES}session.SessionStorage.__init__",
    ),
    "django.contrib.messages.middleware.MessageMiddleware.process_response": (
        *(f"{_STORAGES}base.BaseStorage.{name}" for name in ("update", "_prepare_messages", "_loaded_data")),
        *(f"{_STORAGES}cookie.CookieStorage.{name}" for name in ("_get", "_store")),
        *(f"{_STORAGES}cookie.{name}" for name in ("MessageEncoder.default", "MessageDecoder.process_messages")),
    ),
    f"{_MIDDLEWARE}common.CommonMiddleware.process_request": _TRYING_A_PATH,
    f"{_MIDDLEWARE}common.CommonMiddleware.process_response": _TRYING_A_PATH,
    f"{_MIDDLEWARE}csrf.CsrfViewMiddleware.process_request": _READING_A_SESSION,
    f"{_MIDDLEWARE}csrf.CsrfViewMiddleware.process_view": _READING_A_SESSION,
    f"{_MIDDLEWARE}csp.ContentSecurityPolicyMiddleware.process_response": (
        *(f"django.utils.csp.LazyNonce.{name}" for name in ("_generate", "__bool__")),
    ),
    f"{_MIDDLEWARE}locale.LocaleMiddleware.process_request": _FINDING_A_LANGUAGE,
    f"{_MIDDLEWARE}locale.LocaleMiddleware.process_response": (*_FINDING_A_LANGUAGE, *_TRYING_A_PATH),
    f"{_MIDDLEWARE}cache.FetchFromCacheMiddleware.process_request": _READING_A_CACHE,
    f"{_MIDDLEWARE}cache.UpdateCacheMiddleware.process_response": _READING_A_CACHE,
    f"{_MIDDLEWARE}cache.CacheMiddleware.process_request": _READING_A_CACHE,
    f"{_MIDDLEWARE}cache.CacheMiddleware.process_response": _READING_A_CACHE,
    f"{_AUTH}LoginRequiredMiddleware.process_view": _FINDING_NOBODY,
    "django.contrib.sites.middleware.CurrentSiteMiddleware.process_request": (
        "django.contrib.sites.requests.RequestSite.__init__",
    ),
    "whitenoise.middleware.WhiteNoiseMiddleware.__call__": (
        *(f"whitenoise.responders.{name}.get_response" for name in ("StaticFile", "Redirect")),
        "whitenoise.middleware.WhiteNoiseFileResponse.set_headers",
        "django.http.response.FileResponse.__init__",
        "django.http.response.HttpResponseBase.__delitem__",
    ),
    **{
        f"django_prometheus.middleware.Prometheus{which}Middleware.process_{hook}": _COUNTING
        for which, hook in (
            ("Before", "request"),
            ("Before", "response"),
            ("After", "request"),
            ("After", "view"),
            ("After", "response"),
        )
    },
    "csp.middleware.CSPMiddleware.process_response": ("csp.middleware.CheckableLazyObject.__bool__",),
    "csp.contrib.rate_limiting.RateLimitedCSPMiddleware.process_response": (
        "csp.contrib.rate_limiting.RateLimitedCSPMiddleware.get_policy_parts",
    ),
    f"{_HIJACK}process_response": (
        f"{_HIJACK}setup_user",
        "hijack.conf.LazySettings.__getattribute__",
        f"{_STORES}base.SessionBase.is_empty",
    ),
    f"{_OTEL}process_request": (*_STARTING_A_SPAN, *_TRYING_A_PATH),
    f"{_OTEL}process_response": (f"{_SDK}Span.end", f"{_SDK}SynchronousMultiSpanProcessor.on_end"),
    "opentelemetry.sdk.trace.export.BatchSpanProcessor.on_end": (
        *(f"opentelemetry.sdk.trace.export.BatchSpanProcessor.{name}" for name in ("on_start", "_on_ending")),
        "opentelemetry.sdk._shared_internal.BatchProcessor.emit",
    ),
}

# Packages that a hook of another one calls into.
_BESIDE = {"django_prometheus": ("prometheus_client.",)}


def collect(hook: str) -> dict[str, str]:
    """The hook and, to any depth, the plain functions of Django and of its package it calls, each with its hash.

    Of what hops call (targets/functions.py), only what it calls itself.
    """
    functions: dict[str, str] = {}
    deep = hook not in _TARGETS
    package = hook.partition(".")[0]
    read = ("django.", f"{package}.", *_BESIDE.get(package, ()))
    queue = [hook, *_ALSO.get(hook, ())]
    while queue:
        name = queue.pop()
        found = find(name)
        function = plain_function(found)
        if function is None or not function.__module__.startswith(read):
            continue
        name = f"{function.__module__}.{function.__qualname__}"
        if name in functions or name in _ON_THREADS or "<locals>" in name:
            continue
        functions[name] = fingerprint(find(name), name)
        if not functions[name]:
            del functions[name]
            continue
        if hook not in _ALONE and (deep or len(functions) == 1):
            queue += _called(function)
    return dict(sorted(functions.items()))


def _called(function: FunctionType) -> list[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function.__code__)))
    home, _, _ = function.__qualname__.rpartition(".")
    owner = {"self": (f"{function.__module__}.{home}",)} if home else {}
    subjects = {**_SUBJECTS, **owner}
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in function.__globals__:
            target = plain_function(function.__globals__[node.id])
            if target is not None:
                names.append(f"{target.__module__}.{target.__qualname__}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for subject in subjects.get(node.value.id, ()):
                names += _defined_as(find(subject), node.attr)
            names += _in_scope(function.__globals__.get(node.value.id), node.attr)
    return names


def _in_scope(scope: Any, attribute: str) -> list[str]:
    """What `scope.attribute` names where the scope is a module or a class of Django."""
    if isinstance(scope, ModuleType):
        target = plain_function(scope.__dict__.get(attribute))
        return [] if target is None else [f"{target.__module__}.{target.__qualname__}"]
    return _defined_as(scope, attribute) if isinstance(scope, type) else []


def _defined_as(cls: Any, attribute: str) -> list[str]:
    for base in getattr(cls, "__mro__", ()):
        if attribute in base.__dict__:
            return [f"{base.__module__}.{base.__qualname__}.{attribute}"]
    return []
