"""Rules of http.mock() by themselves: which request meets which, and what is said of one that meets none."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from turnout.http import errors
from turnout.http.matching import Pattern
from turnout.http.rules import Failure, PassThrough, Reply, Rules, answer_of


class Asked:
    def __init__(self, method: str, url: str, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.method, self.url, self.headers, self.content = method, url, headers or {}, content


RATES = "https://api.booking.example/v2/rates"
MET: list[tuple[Pattern, Asked]] = [
    (Pattern("GET", RATES), Asked("GET", f"{RATES}?city=Rom")),
    (Pattern("get", RATES), Asked("GET", RATES)),
    (Pattern(None, None), Asked("PATCH", RATES)),
    (Pattern("GET", "https://api.booking.example:443/v2/rates"), Asked("GET", RATES)),
    (Pattern("GET", "HTTPS://API.booking.example/v2/rates"), Asked("GET", RATES)),
    (Pattern("GET", "http://a.example"), Asked("GET", "http://a.example/")),
    (Pattern("GET", "/v2/rates"), Asked("GET", RATES)),
    (Pattern("GET", "https://*.example/v2/*"), Asked("GET", RATES)),
    (Pattern("GET", "http://a.example/[1]"), Asked("GET", "http://a.example/[1]")),
    (Pattern("GET", re.compile(r"booking.*/rates")), Asked("GET", RATES)),
    (Pattern("GET", RATES, params={"city": "Rom", "n": 2}), Asked("GET", f"{RATES}?n=2&city=Rom&more=1")),
    (Pattern("GET", RATES, params={"city": ...}), Asked("GET", f"{RATES}?city=")),
    (Pattern("GET", RATES, params={"city": re.compile("^R")}), Asked("GET", f"{RATES}?city=Rom")),
    (Pattern("GET", RATES, params={"star": [4, 5]}), Asked("GET", f"{RATES}?star=4&star=5")),
    (Pattern("GET", f"{RATES}?city=Rom"), Asked("GET", f"{RATES}?city=Rom")),
    (Pattern("GET", RATES, params={"full": True}), Asked("GET", f"{RATES}?full=true")),
    (Pattern("GET", RATES, headers={"X-Key": "k"}), Asked("GET", RATES, {"x-key": "k"})),
    (Pattern("GET", RATES, headers={"X-Key": ...}), Asked("GET", RATES, {"x-key": "other"})),
    (Pattern("POST", RATES, json={"a": [1]}), Asked("POST", RATES, content=b'{"a":[1]}')),
    (Pattern("POST", RATES, json=None), Asked("POST", RATES, content=b"null")),
    (Pattern("POST", RATES, content="a"), Asked("POST", RATES, content=b"a")),
    (Pattern("POST", RATES, content=re.compile("b+")), Asked("POST", RATES, content=b"abba")),
]


@pytest.mark.parametrize(("pattern", "request_"), MET, ids=[str(pattern) for pattern, _ in MET])
def test_a_rule_is_met(pattern: Pattern, request_: Asked) -> None:
    assert pattern.difference(request_) is None


NOT_MET: list[tuple[Pattern, Asked, str]] = [
    (Pattern("GET", RATES), Asked("POST", RATES), "the method is POST"),
    (Pattern("GET", RATES), Asked("GET", f"{RATES}/1"), "the path is /v2/rates/1"),
    (Pattern("GET", RATES), Asked("GET", RATES.replace("https", "http")), "the host is http://api.booking.example"),
    (
        Pattern("GET", RATES),
        Asked("GET", "https://api.booking.example:8/v2/rates"),
        "the host is https://api.booking.example:8",
    ),
    (Pattern("GET", "https://*.example/a"), Asked("GET", "https://evil.test/a"), "the host is https://evil.test"),
    (Pattern("GET", re.compile("expedia")), Asked("GET", RATES), "the URL does not match"),
    (Pattern("GET", RATES, params={"city": "Rom"}), Asked("GET", RATES), "there is no parameter 'city'"),
    (
        Pattern("GET", RATES, params={"city": "Rom"}),
        Asked("GET", f"{RATES}?city=Bari"),
        "the parameter 'city' is 'Bari'",
    ),
    (Pattern("GET", RATES, params={"s": ["1"]}), Asked("GET", f"{RATES}?s=1&s=2"), "'s' is ['1', '2']"),
    (Pattern("GET", RATES, headers={"X-Key": "k"}), Asked("GET", RATES), "there is no header 'X-Key'"),
    (
        Pattern("GET", RATES, headers={"X-Key": "k"}),
        Asked("GET", RATES, {"x-key": "secret"}),
        "the header 'X-Key' is another",
    ),
    (Pattern("POST", RATES, json={}), Asked("POST", RATES, content=b"{"), "the body is not JSON"),
    (Pattern("POST", RATES, json={}), Asked("POST", RATES, content=b"[1]"), "the JSON is [1]"),
    (Pattern("POST", RATES, content=b"a"), Asked("POST", RATES, content=b"b"), "the body is b'b'"),
    (Pattern("POST", RATES, content=re.compile("x")), Asked("POST", RATES), "the body does not match"),
]


@pytest.mark.parametrize(("pattern", "request_", "difference"), NOT_MET, ids=[one[2] for one in NOT_MET])
def test_a_rule_says_what_differs(pattern: Pattern, request_: Asked, difference: str) -> None:
    assert pattern.difference(request_) == difference


def test_steps_come_one_after_another_and_the_last_one_stays() -> None:
    rules = Rules()
    rule = rules.get(RATES).reply(503, headers={"Retry-After": "1"}).fail(errors.ReadError, delay=2).reply(json=[1])
    steps = [rules.step_for(Asked("GET", RATES)) for _ in range(4)]
    assert steps == [
        Reply(503, (("Retry-After", "1"),)),
        Failure(errors.ReadError, delay=2.0),
        Reply(200, (("content-type", "application/json"),), b"[1]"),
        Reply(200, (("content-type", "application/json"),), b"[1]"),
    ]
    rule.assert_called(times=4)
    assert len(rules.calls) == 4
    assert rules.calls[0].rule is rule


def test_the_first_rule_that_is_met_answers() -> None:
    rules = Rules()
    special = rules.get(RATES, params={"city": "Rom"}).reply(201)
    general = rules.get(RATES).reply(202)
    assert rules.step_for(Asked("GET", f"{RATES}?city=Rom")) == Reply(201)
    assert rules.step_for(Asked("GET", f"{RATES}?city=Bari")) == Reply(202)
    assert (special.called, general.called) == (True, True)


def test_a_rule_without_a_step_answers_200_and_one_can_pass_on() -> None:
    rules = Rules()
    rules.get("/plain")
    rules.get("/passed").pass_through()
    assert rules.step_for(Asked("GET", "http://a/plain")) == Reply()
    assert rules.step_for(Asked("GET", "http://a/passed")) == PassThrough()


def test_a_request_that_meets_no_rule_is_told_with_what_differed_and_without_its_query() -> None:
    rules = Rules()
    rules.get(RATES)
    rules.post("/book", json={"room": 1})
    assert rules.step_for(Asked("POST", "https://u:secret@h.example/book?secret=1", content=b'{"room": 2}')) is None
    [sentence] = rules.unexpected
    assert sentence.splitlines() == [
        "POST https://h.example/book meets no rule of http.mock():",
        f"  GET {RATES}: the method is POST",
        "  POST /book json={'room': 1}: the JSON is {'room': 2}",
    ]


def test_assertions_about_calls_fail_when_they_are_wrong() -> None:
    rules = Rules()
    rule = rules.post(RATES)
    rule.assert_not_called()
    with pytest.raises(AssertionError, match="at least once, and was called 0 times"):
        rule.assert_called()
    with pytest.raises(AssertionError, match=f"no request met:\n  POST {RATES}"):
        rules.assert_all_called()
    rules.step_for(Asked("POST", f"{RATES}?{urlencode({'a': 1})}", {"x": "y"}, b'{"b": 2}'))
    rules.assert_all_called()
    rule.assert_called(times=1)
    rule.assert_called_with(params={"a": 1}, headers={"X": "y"}, json={"b": 2})
    with pytest.raises(AssertionError, match=r"2 times, and was called 1 times"):
        rule.assert_called(times=2)
    with pytest.raises(AssertionError, match=r"the JSON is \{'b': 2\}"):
        rule.assert_called_with(json={"b": 3})


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: Reply.of(json=1, text="a"), TypeError, "one body"),
    (lambda: Reply.of(content="a"), TypeError, "content= is bytes"),
    (lambda: Reply.of(99), ValueError, "from 200 to 999, and not 99"),
    (lambda: Reply.of(delay=-1), ValueError, "in seconds"),
    (lambda: Failure(KeyError), ValueError, "and not 'KeyError'"),  # type: ignore[arg-type]
    (lambda: Failure(errors.HTTPStatusError), ValueError, "and not 'HTTPStatusError'"),
    (lambda: Failure(errors.TransportError), ValueError, "and not 'TransportError'"),
    (lambda: answer_of(None), TypeError, "returned None"),
    (lambda: answer_of(object()), TypeError, "returned a object"),
]


@pytest.mark.parametrize(("make", "kind", "message"), WRONG, ids=[one[2] for one in WRONG])
def test_a_step_that_cannot_be_is_refused_where_it_is_written(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_functions_may_return_what_an_answer_can_be_made_of() -> None:
    assert answer_of({"a": 1}).content == b'{"a": 1}'
    assert answer_of("a").headers == (("content-type", "text/plain; charset=utf-8"),)
    assert answer_of(b"a") == Reply(content=b"a")
    assert answer_of(404) == Reply(404)
    assert answer_of(Reply(delay=1)) == Reply(delay=1)
    assert Reply.of(content=[b"a", b"b"]).content == (b"a", b"b")
