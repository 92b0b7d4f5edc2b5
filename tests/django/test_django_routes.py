"""The flat route table says what Django's resolver says, or says that it does not know."""

from __future__ import annotations

import itertools
import re

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.test.utils import override_settings
from django.urls import Resolver404, include, path, re_path, register_converter
from django.urls.converters import REGISTERED_CONVERTERS, IntConverter, get_converters
from django.urls.resolvers import RegexPattern, URLResolver
from django.utils.translation import gettext_lazy
from tracks_site import views

from turnout.django import patterns, routes
from turnout.django.search import Search
from turnout.django.shortcuts import is_async_view

SYNC, ASYNC = routes.SYNC, routes.ASYNC


def resolver(*entries):
    return URLResolver(RegexPattern(r"^/"), list(entries))


def flat(*entries):
    return routes.flatten(resolver(*entries), is_async_view)


def in_python(expression: str) -> re.Pattern[str]:
    """What Rust's syntax means, for Python's engine."""
    for rust, python in (
        (r"\p{L}\p{N}_", r"\w"),
        (r"\p{Nd}", r"\d"),
        (r"\t-\r\x1c-\x20\x85\xa0\p{Zs}\x{2028}\x{2029}", r"\s"),
        (r"\z", r"\Z"),
        (r"\A", "^"),
    ):
        expression = expression.replace(rust, python)
    expression = re.sub(r"\\x\{([0-9a-f]+)\}", lambda match: re.escape(chr(int(match[1], 16))), expression)
    return re.compile(expression)


def decided(table, path):
    """What Rust makes of it: the first entry that matches, None where Python has to decide."""
    for expression, track in table:
        if expression is None:
            return None
        if in_python(expression).search(path):
            return track
    return SYNC


def by_django(root, path):
    try:
        return ASYNC if is_async_view(root.resolve("/" + path).func) else SYNC
    except Resolver404:
        return SYNC


a, s = views.async_json, views.sync_json

TABLES = {
    "plain": [path("", a), path("x/", s), path("x/y/", a), path("x.y/", a), path("", s)],
    "converters": [
        path("<int:n>/", a),
        path("<slug:n>/", s),
        path("u/<uuid:n>/", a),
        path("s/<str:n>/x", a),
        path("p/<path:n>/end", a),
        path("<path:n>", s),
    ],
    "includes": [
        path("a/", include([path("b/", a), path("<int:n>/", include([path("c/", a), path("", s)]))])),
        path("<str:n>/", include([path("<str:m>/", a), path("x", s)])),
        path("a/z/", s),
        path("", include([path("deep/", a)])),
    ],
    "no clear end": [
        path("i<int:n>", include([path("1/", a), path("x", a)])),
        path("<path:n>/", include([path("q", a)])),
    ],
    "regex": [
        re_path(r"^year/(?P<y>[0-9]{4})/$", a),
        re_path(r"^year/(\d+)/(?:page-(?P<p>\d+)/)?$", s),
        re_path(r"loose/$", a),
        re_path(r"^open/", a),
        re_path(r"^end\Z", a),
        re_path(r"^word/\w+/$", a),
        re_path(r"(?i)^CASE/$", a),
        re_path(r"^alt/(a|b|cd)*/$", a),
        re_path(r"^set/[^/.]{2,3}/$", a),
        re_path(r"^lazy/.*?x$", a),
    ],
    "regex includes": [
        re_path(r"^in/(?P<n>\d+)/", include([re_path(r"^x/$", a), re_path(r"y$", a), path("z/", s)])),
        re_path(r"^opt(ional)?/", include([path("x/", a)])),
        re_path(r"^any", include([path("thing/", a), re_path(r"", s)])),
        re_path(r"found/", include([path("x/", a)])),
    ],
    "dollar without an end": [re_path(r"^ends$|^other/$", a), re_path(r"^mid$x", a)],
}

PIECES = [
    "", "a", "b", "c", "x", "y", "z", "q", "1", "12", "2024", "x.y", "é", "٣", "A", "case", "CASE", "year", "page-3",
    "loose", "open", "end", "word", "alt", "ab", "cdab", "set", "lazy", "in", "opt", "optional", "any", "anything",
    "found", "ends", "other", "deep", "u", "s", "p", "i1", "i11", "i12", "-", "a-b_c", "a\n", "\n",
    "0a1b2c3d-0000-1111-2222-333344445555",
]  # fmt: skip


def paths():
    for count in (1, 2, 3):
        pieces = PIECES if count < 3 else PIECES[:28]
        for parts in itertools.product(pieces, repeat=count):
            yield "/".join(parts)
            if count < 3:
                yield "/".join(parts) + "/"
                yield "/".join(parts) + "\n"


@pytest.mark.parametrize("name", list(TABLES))
def test_the_table_agrees_with_django_on_every_path(name):
    entries = TABLES[name]
    table, root = flat(*entries), resolver(*entries)
    compiled = [(None if expression is None else in_python(expression), track) for expression, track in table]

    def ours(path):
        for expression, track in compiled:
            if expression is None:
                return None
            if expression.search(path):
                return track
        return SYNC

    wrong = [(path, ours(path)) for path in paths() if ours(path) not in (None, by_django(root, path))]
    assert wrong == []


def test_the_projects_table_is_decided_whole(make):
    async def check(driver):
        table = driver.handler.routes()
        assert all(expression is not None for expression, _ in table)
        for address, track in {
            "sync/": SYNC,
            "async/": ASYNC,
            "shop/rome/detail/7/": ASYNC,
            "shop/rome/blue-bag/edit/": SYNC,
            "old/1999/": SYNC,
            "any/where": ASYNC,
            "nowhere": SYNC,
        }.items():
            assert decided(table, address) == track, address
            assert driver.handler.decide("/" + address, "testserver")[0] == track

    make(check)


@pytest.mark.parametrize(
    "expression",
    [
        r"^(?=a)a/$",
        r"^(?!a)b/$",
        r"^(?<=a)b/$",
        r"^(a)\1/$",
        r"^(?P<a>a)?(?(a)b|c)/$",
        r"(?m)^a$",
        r"^a\b/$",
        r"^x{2000}/$",
        r"^a$b",
    ],
)
def test_what_rust_cannot_say_is_left_to_python(expression):
    assert flat(re_path(expression, a)) == [(None, SYNC)]


def test_converters_of_the_projects_own_are_taken_to_accept_what_they_match():
    class Even(IntConverter):
        def to_python(self, value):
            raise AssertionError

    register_converter(Even, "even")
    try:
        entries = [path("first/", a), path("<even:n>/", a), path("last/", s)]
        table = flat(*entries)
        assert [decided(table, address) for address in ("first/", "12/", "1a/", "last/")] == [ASYNC, ASYNC, SYNC, SYNC]
        root = URLResolver(RegexPattern(r"^/"), entries)
        assert not routes.depends_on_path_alone(root)
        assert routes.runs_foreign_code(root)
    finally:
        del REGISTERED_CONVERTERS["even"]
        get_converters.cache_clear()


@pytest.mark.parametrize(
    "address", ["", "sync/", "shop/rome/detail/7/", "shop/a/b/edit/", "old/1999/", "any/x", "none/"]
)
def test_a_search_finds_what_django_resolves(address):
    root = URLResolver(RegexPattern(r"^/"), "tracks_site.urls")
    found = Search(root, f"/{address}")
    try:
        match = root.resolve(f"/{address}")
    except Resolver404:
        assert (found.view, found.route) == (None, "")
    else:
        assert (found.view, found.route) == (match.func, match.route)
    assert not found.foreign


def test_translated_routes_are_left_to_python():
    assert flat(path(gettext_lazy("about/"), a)) == [(None, SYNC)]


def test_a_language_in_front_is_any_of_them_where_a_middleware_finds_it_out():
    languages = {"LANGUAGE_CODE": "en", "LANGUAGES": [("en", "English"), ("pt-br", "Brazilian")]}
    with override_settings(ROOT_URLCONF="tracks_site.urls", **languages):
        assert flat(*i18n_patterns(path("x/", a))) == [(None, SYNC)]
    middleware = ["django.middleware.locale.LocaleMiddleware"]
    with override_settings(ROOT_URLCONF="tracks_site.urls", MIDDLEWARE=middleware, **languages):
        table = flat(*i18n_patterns(path("x/", a)))
        assert [decided(table, f"{code}x/") for code in ("en/", "pt-br/", "de/", "")] == [ASYNC, ASYNC, SYNC, SYNC]
        table = flat(*i18n_patterns(path("x/", a), prefix_default_language=False))
        assert [decided(table, f"{code}x/") for code in ("en/", "pt-br/", "de/", "")] == [SYNC, ASYNC, SYNC, ASYNC]


def test_a_urlconf_that_includes_itself_is_walked_once_and_left_to_python_below():
    entries = [path("a/", a)]
    # As `path("again/", include(__name__))` in a module: its list holds the resolver of itself.
    entries += [path("again/", include(entries)), path("s/", s)]
    root = URLResolver(RegexPattern(r"^/"), entries)
    table = routes.flatten(root, is_async_view)
    addresses = ("a/", "again/a/", "again/again/a/", "s/", "again/s/", "again/again/again/s/", "none/")
    found = {address: decided(table, address) for address in addresses}
    assert {address: track for address, track in found.items() if track not in (None, by_django(root, address))} == {}
    assert (found["a/"], found["again/a/"], found["again/again/a/"]) == (ASYNC, ASYNC, None)
    assert list(routes.views(root)).count(a) == 2
    assert routes.depends_on_path_alone(root)
    assert not routes.needs_language(root)


def test_an_include_that_can_end_at_several_places_is_not_translated():
    for expression in (r"^\d+", r"^a*a", r"^.*/", r"^(a|ab)", r"^x?"):
        with pytest.raises(patterns.Untranslatable):
            patterns.prefix(re.compile(expression))
    assert patterns.prefix(re.compile(r"^blog/(?P<y>\d{4})/[^/]+/")) != ""
