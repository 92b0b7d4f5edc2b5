"""What generic views do with querysets: filter, sort and paginate them."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from django.core.paginator import Paginator
from rest_framework import filters, pagination

from turnout.django.targets import Runs, databases, models, values
from turnout.django.targets.drf.read import brings_code, unread

_PAGINATIONS = (pagination.PageNumberPagination, pagination.LimitOffsetPagination)
_FILTERS = (filters.SearchFilter, filters.OrderingFilter)


def judge_filter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`filter_queryset(backend, request, queryset, view)`: no query is made, only prepared."""
    backend, request, queryset, view = args
    if backend.__dict__ or not _filters_plainly(type(backend)):
        return Runs.FOREIGN
    own = [inspect.getattr_static(view, name, None) for name in ("search_fields", "ordering_fields", "ordering")]
    if not all(map(_are_names, own)):
        return Runs.FOREIGN
    if (
        isinstance(backend, filters.OrderingFilter)
        and own[1] is None
        and backend.ordering_param in request.query_params
    ):
        # Which fields it may sort by is asked of the serializer.
        return Runs.FOREIGN
    why = models.queryset_class(type(queryset)) or models.rows(queryset.model)
    why = why or next((name for name in _names(*own) if models.path(queryset.model, name.lstrip("-^=@$"))), "")
    return Runs.FOREIGN if why else Runs.ON_LOOP


def judge_paginate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`paginate_queryset(paginator, queryset, request, view=view)`: counts and reads a page."""
    paginator, queryset = args[:2]
    if not _paginates_plainly(type(paginator)) or not hasattr(queryset, "query"):
        return Runs.FOREIGN
    why = values.queryset(queryset) or databases.why_not(databases.alias_for(queryset))
    return Runs.FOREIGN if why else Runs.VETTED


def judge_page(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Runs:
    """`get_paginated_response(paginator, data)`: how many there are was counted before."""
    paginator = args[0]
    if not _paginates_plainly(type(paginator)):
        return Runs.FOREIGN
    if isinstance(paginator, pagination.LimitOffsetPagination):
        return Runs.ON_LOOP if type(paginator.__dict__.get("count")) is int else Runs.FOREIGN
    pages = paginator.page.paginator
    return Runs.ON_LOOP if type(pages) is Paginator and "count" in pages.__dict__ else Runs.FOREIGN


@cache
def _paginates_plainly(kind: Any) -> bool:
    if getattr(kind, "django_paginator_class", Paginator) is not Paginator or unread("pagination"):
        return False
    return any(issubclass(kind, home) and not brings_code(kind, home) for home in _PAGINATIONS)


@cache
def _filters_plainly(kind: Any) -> bool:
    return any(issubclass(kind, home) and not brings_code(kind, home) for home in _FILTERS) and not unread("filters")


def _are_names(found: Any) -> bool:
    return (
        found is None
        or isinstance(found, str)
        or (type(found) in (list, tuple) and all(type(name) is str for name in found))
    )


def _names(*found: Any) -> list[str]:
    return [name for each in found if each for name in ([each] if isinstance(each, str) else each)]


JUDGES = {
    "rest_framework.filters.SearchFilter.filter_queryset": judge_filter,
    "rest_framework.filters.OrderingFilter.filter_queryset": judge_filter,
    **{
        f"rest_framework.pagination.{name}Pagination.{method}": judge
        for name in ("PageNumber", "LimitOffset")
        for method, judge in (("paginate_queryset", judge_paginate), ("get_paginated_response", judge_page))
    },
}
