"""Django REST framework and ADRF: what their hops run, and their JSON rendered where it is small.

An ADRF view sends its stages (`initial`), the handlers that are not coroutines, each field of a serializer and the
rendering to the request's thread. Where all of that is DRF's own code, set up with DRF's own classes, and this request
gives it nothing to block on, it runs on the loop, and the request holds no thread.
"""

from __future__ import annotations


def install() -> None:
    """From now on their calls are judged. After the project's URLconf was imported."""
    from django.urls.converters import get_converters
    from rest_framework.response import Response

    from turnout.django import rendering, targets
    from turnout.django.hooks.common import read_converters
    from turnout.django.targets.drf import fields, lists, read, users, views
    from turnout.django.targets.drf import rendering as json

    for group in read.GROUPS:
        # Sources are read and hashed now, not in front of a first request.
        read.unread(group)
    users.finding_was_not_read()
    views.install()
    for name, judge in {**views.JUDGES, **fields.JUDGES, **lists.JUDGES}.items():
        function = read.function(name)
        if function is not None:
            targets.judges(function, judge)
    rendering.ways[Response] = json.render
    targets.judges(json.render_if_plain, lambda *_: targets.Runs.VETTED)
    read_converters.update(type(each) for each in get_converters().values() if views.is_format_suffix(type(each)))
