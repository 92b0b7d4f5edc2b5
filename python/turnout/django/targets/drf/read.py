"""Which functions of Django REST framework, ADRF and Django the judges of this folder stand on, and whether they are
the ones that somebody of turnout has read.

`read.json` holds for each function the hashes of all its readings: releases differ in few of them, so any mixture of
read functions is as good as the release it came from. A function that was changed, replaced or wrapped, or that is not
in the table, takes its stage back to the request's thread, with one line in the log.

    python -m turnout.django.targets.drf.read            what is installed and was not read
    python -m turnout.django.targets.drf.read --write    record it, after reading it
"""

from __future__ import annotations

import json
import logging
import sys
from functools import cache, lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

from turnout.django import vetting

log = logging.getLogger("turnout.django")

TABLE = Path(__file__).with_name("read.json")

# What Python itself puts into classes.
PYTHONS = {
    *("__module__", "__doc__", "__qualname__", "__dict__", "__weakref__", "__annotations__", "__orig_bases__"),
    *("__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__", "__annotations_cache__"),
}


def _of(owner: str, names: str) -> tuple[str, ...]:
    return tuple(f"{owner}.{name}" for name in names.split())


_VIEWS = "rest_framework.views"
_ADRF = "adrf.views.APIView"
_REQUEST = "rest_framework.request"
_AUTH = "rest_framework.authentication"
_PERMISSIONS = "rest_framework.permissions"
_THROTTLING = "rest_framework.throttling"
_LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
_BASE_CACHE = "django.core.cache.backends.base"
_FIELDS = "rest_framework.fields"
_FILTERS = "rest_framework.filters"
_PAGES = "rest_framework.pagination"

# Stage -> the functions it stands on.
GROUPS: dict[str, tuple[str, ...]] = {
    "initial": (
        *_of(f"{_VIEWS}.APIView", "initial get_format_suffix perform_content_negotiation get_renderers"),
        *_of(f"{_VIEWS}.APIView", "get_content_negotiator determine_version perform_authentication get_permissions"),
        *_of(f"{_VIEWS}.APIView", "get_throttles permission_denied throttled"),
        *_of(_ADRF, "check_permissions get_permissions check_sync_permissions check_throttles check_sync_throttles"),
        *_of("adrf.permissions", "try_convert_operator is_perm_operator is_async_perm_operator"),
        *_of("adrf.requests.AsyncRequest", "user _authenticate"),
        *_of(f"{_REQUEST}.Request", "query_params auth successful_authenticator _not_authenticated __getattr__"),
        *_of("rest_framework.settings.APISettings", "__getattr__ user_settings"),
        *_of("rest_framework.exceptions.APIException", "__init__"),
        *_of("rest_framework.exceptions.NotAcceptable", "__init__"),
        *_of("rest_framework.exceptions.Throttled", "__init__"),
        "rest_framework.exceptions._get_error_details",
    ),
    "negotiation": (
        *_of("rest_framework.negotiation.DefaultContentNegotiation", "select_renderer filter_renderers"),
        *_of("rest_framework.negotiation.DefaultContentNegotiation", "get_accept_list _get_parsed_accept_list"),
        "rest_framework.utils.mediatypes.order_parsed_by_precedence",
        *_of("rest_framework.utils.mediatypes._MediaType", "__init__ __eq__ __hash__ match precedence"),
    ),
    "versioning": (
        *(
            f"rest_framework.versioning.{name}Versioning.determine_version"
            for name in ("AcceptHeader", "URLPath", "Namespace", "HostName", "QueryParameter")
        ),
        "rest_framework.versioning.BaseVersioning.is_allowed_version",
        "rest_framework.compat.unicode_http_header",
    ),
    "session": (
        *_of(f"{_AUTH}.SessionAuthentication", "authenticate enforce_csrf"),
        f"{_AUTH}.CSRFCheck._reject",
    ),
    "header": (
        f"{_AUTH}.get_authorization_header",
        *_of(f"{_AUTH}.BasicAuthentication", "authenticate authenticate_credentials"),
        *_of(f"{_AUTH}.TokenAuthentication", "authenticate authenticate_credentials get_model"),
    ),
    "forced": (f"{_REQUEST}.ForcedAuthentication.authenticate",),
    "permissions": (
        *(
            f"{_PERMISSIONS}.{name}.has_permission"
            for name in ("AllowAny", "IsAuthenticated", "IsAdminUser", "IsAuthenticatedOrReadOnly")
        ),
        *_of(f"{_PERMISSIONS}.BasePermission", "has_permission has_object_permission"),
    ),
    "model permissions": (
        *_of(f"{_PERMISSIONS}.DjangoModelPermissions", "has_permission get_required_permissions _queryset"),
        "rest_framework.generics.GenericAPIView.get_queryset",
    ),
    "operators": (
        *_of(f"{_PERMISSIONS}.SingleOperandHolder", "__init__ __call__"),
        f"{_PERMISSIONS}.OperandHolder.__call__",
        *_of(_ADRF, "check_async_permissions"),
        *(f"adrf.permissions.{name}.has_permission" for name in ("AAND", "AOR", "ANOT")),
        "adrf.permissions.AsyncLogicOperatorMixin.get_async_has_perm",
        "adrf.permissions.AsyncSingleLogicOperatorMixin.get_async_has_perm",
    ),
    "throttles": (
        *_of(f"{_THROTTLING}.BaseThrottle", "get_ident"),
        *_of(f"{_THROTTLING}.SimpleRateThrottle", "__init__ get_rate parse_rate allow_request throttle_success"),
        *_of(f"{_THROTTLING}.SimpleRateThrottle", "throttle_failure wait"),
        *(f"{_THROTTLING}.{name}RateThrottle.get_cache_key" for name in ("Anon", "User", "Scoped")),
        *_of(f"{_THROTTLING}.ScopedRateThrottle", "__init__ allow_request"),
    ),
    "local cache": (
        *_of(_LOCMEM, "get set _set _cull _delete _has_expired"),
        *_of(f"{_BASE_CACHE}.BaseCache", "make_and_validate_key make_key get_backend_timeout validate_key"),
        *_of(_BASE_CACHE, "default_key_func memcache_key_warnings"),
        *_of("django.core.cache.backends.dummy.DummyCache", "get set"),
    ),
    "object permissions": (*_of(_ADRF, "check_object_permissions check_sync_object_permissions"),),
    "refusal": (f"{_VIEWS}.APIView.http_method_not_allowed", "rest_framework.exceptions.MethodNotAllowed.__init__"),
    "options": (
        *_of(f"{_VIEWS}.APIView", "options get_view_name get_view_description"),
        *_of(_VIEWS, "get_view_name get_view_description"),
        "rest_framework.metadata.SimpleMetadata.determine_metadata",
        *_of("rest_framework.utils.formatting", "remove_trailing_string camelcase_to_spaces dedent"),
        "rest_framework.response.Response.__init__",
    ),
    "fields": (
        *_of(_FIELDS, "get_attribute is_simple_callable"),
        f"{_FIELDS}.Field.get_attribute",
        *(
            f"{_FIELDS}.{name}Field.to_representation"
            for name in ("Boolean", "Char", "UUID", "Integer", "BigInteger", "Float", "Decimal")
        ),
        *(
            f"{_FIELDS}.{name}Field.to_representation"
            for name in ("DateTime", "Date", "Time", "Duration", "Choice", "ReadOnly", "JSON")
        ),
        f"{_FIELDS}.BooleanField._lower_if_str",
        f"{_FIELDS}.DecimalField.quantize",
        *_of(f"{_FIELDS}.DateTimeField", "enforce_timezone default_timezone"),
    ),
    "related fields": (
        "rest_framework.relations.RelatedField.get_attribute",
        *_of("rest_framework.relations.PrimaryKeyRelatedField", "use_pk_only_optimization to_representation"),
        "rest_framework.relations.PKOnlyObject.__init__",
        "django.db.models.base.Model.serializable_value",
    ),
    "filters": (
        *_of(f"{_FILTERS}.SearchFilter", "filter_queryset get_search_fields get_search_terms construct_search"),
        *_of(f"{_FILTERS}.SearchFilter", "must_call_distinct"),
        f"{_FILTERS}.search_smart_split",
        *_of(f"{_FILTERS}.OrderingFilter", "filter_queryset get_ordering get_default_ordering get_valid_fields"),
        *_of(f"{_FILTERS}.OrderingFilter", "remove_invalid_fields"),
    ),
    "pagination": (
        *_of(f"{_PAGES}.PageNumberPagination", "paginate_queryset get_page_number get_paginated_response"),
        *_of(f"{_PAGES}.PageNumberPagination", "get_page_size get_next_link get_previous_link"),
        *_of(f"{_PAGES}.LimitOffsetPagination", "paginate_queryset get_paginated_response get_limit get_offset"),
        *_of(f"{_PAGES}.LimitOffsetPagination", "get_count get_next_link get_previous_link"),
        f"{_PAGES}._positive_int",
        *_of("rest_framework.utils.urls", "replace_query_param remove_query_param"),
    ),
    "format suffixes": ("rest_framework.urlpatterns._get_format_path_converter",),
    "rendering": (
        "rest_framework.response.Response.rendered_content",
        *_of("rest_framework.renderers.JSONRenderer", "render get_indent"),
        "rest_framework.utils.encoders.JSONEncoder.default",
        *_of("django.template.response.SimpleTemplateResponse", "render content"),
    ),
}


@lru_cache(maxsize=1)
def table() -> dict[str, list[str]]:
    """Function -> the hashes of it that somebody has read."""
    return json.loads(TABLE.read_text())


@cache
def unread(group: str) -> str:
    """Which function of a group is not one that was read; empty when all are. Looked at once, said once."""
    for name in GROUPS[group]:
        if fingerprint(name) not in table().get(name, ()):
            log.warning("%s is not a function that was vetted: %s of REST framework uses a thread", name, group)
            return name
    return ""


def fingerprint(name: str) -> str:
    """The hash of what stands behind a name now; empty when that is not a plain function of its own."""
    return vetting.fingerprint(vetting.find(name), name)


def function(name: str) -> FunctionType | None:
    """The plain function behind a name."""
    return vetting.plain_function(vetting.find(name))


@cache
def brings_code(kind: type, home: type) -> str:
    """What `kind` defines besides data, as a subclass of `home`; empty when it is `home` or changes data only."""
    for cls in kind.__mro__:
        if cls in home.__mro__:
            continue
        for name, value in cls.__dict__.items():
            if name not in PYTHONS and computes(value):
                return f"{cls.__qualname__}.{name}"
    return "" if issubclass(kind, home) else f"{kind.__qualname__} is no {home.__qualname__}"


def computes(value: Any) -> bool:
    """Whether what a class defines is more than data: a function, or a descriptor. A class is data."""
    return not isinstance(value, type) and (callable(value) or hasattr(value, "__get__") or hasattr(value, "__set__"))


def forget() -> None:
    """For tests, which replace functions while the process runs."""
    unread.cache_clear()
    brings_code.cache_clear()


def main(arguments: list[str]) -> int:
    """Compare the installed packages with the table, or record them."""
    import django
    from django.conf import settings

    if not settings.configured:
        apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
        settings.configure(INSTALLED_APPS=apps, SECRET_KEY="for reading only")
        django.setup()
    known: dict[str, Any] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    kept: dict[str, list[str]] = {}
    for name in sorted({name for names in GROUPS.values() for name in names}):
        hashes, found = list(known.get(name, ())), fingerprint(name)
        if not found:
            print(f"{name} is not a plain function")
        elif found not in hashes:
            print(f"{name} {'is another one' if hashes else 'is new'}")
            hashes.append(found)
        if hashes:
            kept[name] = hashes
    if "--write" in arguments:
        TABLE.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
