"""Converters of the project's own: one asks the database, one is slow, two share the numbers between them."""

from django.contrib.auth.models import Group
from django.urls import register_converter
from django.urls.converters import IntConverter, StringConverter

from dispatch_site.middleware import here

asked = []


class GroupConverter(StringConverter):
    def to_python(self, value):
        asked.append(here())
        return Group.objects.filter(name=value).count()

    def to_url(self, value):
        return str(value)


class Even(IntConverter):
    def to_python(self, value):
        asked.append(here())
        if int(value) % 2:
            raise ValueError
        return int(value)


register_converter(GroupConverter, "group")
register_converter(Even, "even")
