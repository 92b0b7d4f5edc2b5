"""DRF's JSON: rendered on the loop where it is small and plain, on a thread that it leaves nothing on where it is
large, and on the request's own thread where an object in it may do anything.

What an object does when it is encoded is known for the types listed here; a queryset, for one, asks the database.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections import OrderedDict
from functools import cache
from typing import Any

from asgiref.sync import sync_to_async
from django.http import QueryDict
from django.utils.safestring import SafeString
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

from turnout.django.targets import Runs
from turnout.django.targets.drf.read import brings_code, unread

# So many values, or 32 times as many characters, are encoded in some 0.1 ms, and looked at in half of that.
_VALUES_INLINE = 500
_CHARACTERS = 32

_MAPPINGS = frozenset((dict, OrderedDict, ReturnDict, QueryDict))
_SEQUENCES = frozenset((list, tuple, ReturnList))
_STRINGS = frozenset((str, ErrorDetail, SafeString))
_NUMBERS = frozenset((int, float, bool, type(None)))
# JSONEncoder.default makes strings or numbers of these.
_MADE = frozenset((datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID))


async def render(response: Any) -> Any:
    """`response.render()` of an exact `rest_framework.response.Response`."""
    runs = judge(response)
    if runs is Runs.ON_LOOP:
        return response.render()
    if runs is Runs.VETTED:
        rendered = await sync_to_async(render_if_plain)(response)
        if rendered is not None:
            return rendered
    return await sync_to_async(response.render)()


def judge(response: Any) -> Runs:
    """What rendering it would run; VETTED may turn out to be FOREIGN on the way (`render_if_plain`)."""
    renderer = response.__dict__.get("accepted_renderer")
    if response._post_render_callbacks or not _is_json(type(renderer)) or renderer.__dict__:
        return Runs.FOREIGN
    # Indented JSON is made by Python, not by C.
    pretty = "indent" in response.accepted_media_type.lower() or response.renderer_context.get("indent") is not None
    return Runs.VETTED if pretty else _weigh(response.data)


@cache
def _is_json(kind: type) -> bool:
    if brings_code(kind, JSONRenderer) or unread("rendering"):
        return False
    return kind.encoder_class is JSONEncoder  # type: ignore[attr-defined]


def _weigh(data: Any) -> Runs:
    left = _VALUES_INLINE
    pending = [data]
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind in _STRINGS:
            left -= len(value) // _CHARACTERS
        elif kind in _MAPPINGS:
            left -= len(value)
            if left > 0:
                pending += value.values()
        elif kind in _SEQUENCES:
            left -= len(value)
            if left > 0:
                pending += value
        elif kind not in _NUMBERS and kind not in _MADE:
            return Runs.FOREIGN
        if left <= 0:
            return Runs.VETTED
    return Runs.ON_LOOP


class _NotPlain(Exception):
    """An object of which nobody knows what encoding it runs."""


class _PlainEncoder(JSONEncoder):
    """DRF's, for data of known types alone."""

    def default(self, obj: Any) -> Any:
        if type(obj) not in _MADE:
            raise _NotPlain
        return super().default(obj)


def render_if_plain(response: Any) -> Any:
    """On a thread: `response.render()`, or None if there is an object in it that nobody knows. May be done again."""
    renderer = response.accepted_renderer
    renderer.encoder_class = _PlainEncoder
    try:
        return response.render()
    except _NotPlain:
        return None
    finally:
        del renderer.encoder_class
