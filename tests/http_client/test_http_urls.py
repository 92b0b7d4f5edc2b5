"""A URL is what a parser makes of it, whichever URL came before: the last origins are remembered, and nothing else."""

from __future__ import annotations

import itertools

import pytest

from turnout import http

ORIGINS = [
    "http://127.0.0.1:8000", "http://H.example", "HTTP://h.example", "http://h.example:80", "https://h.example:443",
    "http://me:secret@h.example", "http://[::1]:9", "http://ä.example", "http://h.exampl", "http://",
]  # fmt: skip
RESTS = [
    "", "/", "?a=b", "/?a=b", "/a/b?c=d", "/a/./b", "/a/../b", "/..", "/.", "/a/b.", "/.a", "/a.b", "/a b", "/ä", "?",
    "/?", "/a?b?c", "/%2e/", "//x", "/a#f", "/a?b#f", "/a@b", "/x@y/z", "/a\\b", ":81/", "0/", "e/x", "/a?x=/../y",
    "/a?x=/.", "@other.example/",
]  # fmt: skip


def seen(url):
    try:
        request = http.Request("GET", url)
    except Exception as error:
        return type(error), str(error)
    return request.url, request.headers.multi_items()


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_url_does_not_depend_on_the_one_before(origin):
    for before, rest in itertools.product(RESTS, RESTS):
        for number in range(8):
            seen(f"http://somebody{number}.else.example/")
        alone = seen(origin + rest)
        seen(origin + before)
        assert seen(origin + rest) == alone, (before, rest)
