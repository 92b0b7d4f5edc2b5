"""What a gather brought: in order, with fallbacks in their places, and honest about what is missing."""

from __future__ import annotations

import pickle
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from turnout.http import errors
from turnout.http.gathered import Gathered, GatherError, settled
from turnout.http.outcomes import Outcome, PlainOutcome
from turnout.http.status import Status

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


def answer(
    key: Any, value: Any = "value", elapsed: float = 0.1, cache: str | None = None, **more: Any
) -> PlainOutcome[Any]:
    headers = {} if cache is None else {"cache-control": cache}
    response = SimpleNamespace(status_code=200, url="http://a/", headers=headers, content=b"")
    return PlainOutcome(key, Status.OK, value, response, elapsed=elapsed, attempts=1, **more)


def failure(key: Any, kind: type[errors.HTTPError] = errors.ReadTimeout, elapsed: float = 0.3) -> PlainOutcome[Any]:
    return PlainOutcome(key, kind.outcome_status, error=kind("no answer", sent=True), elapsed=elapsed, attempts=2)


THREE = [answer("a", 1, 0.2), failure("b"), answer("c", 3, 0.1)]


def test_outcomes_are_in_the_order_of_the_requests() -> None:
    gathered = Gathered(THREE)
    assert list(gathered) == ["a", "b", "c"]
    assert gathered.completion_order == ("c", "a", "b")
    assert len(gathered) == 3
    assert gathered["b"].status is Status.TIMEOUT
    assert "d" not in gathered
    assert repr(gathered) == "Gathered('a': ok, 'b': timeout, 'c': ok)"
    assert all(isinstance(outcome, Outcome) for outcome in gathered.values())


def test_values_and_errors_are_apart() -> None:
    gathered = Gathered(THREE)
    assert gathered.ok == {"a": 1, "c": 3}
    assert list(gathered.errors) == ["b"]
    assert isinstance(gathered.errors["b"], errors.ReadTimeout)
    assert not gathered.complete
    assert Gathered([answer("a")]).complete


def test_errors_are_raised_together() -> None:
    with pytest.raises(ExceptionGroup, match=r"1 of 3 sources failed: b \(timeout\)") as caught:
        Gathered(THREE).raise_for_errors()
    assert [type(error) for error in caught.value.exceptions] == [errors.ReadTimeout]
    Gathered([answer("a")]).raise_for_errors()


def test_the_report_is_short_and_says_what_is_out_of_the_ordinary() -> None:
    assert Gathered([*THREE[:2], answer("d", from_cache=True)]).report() == {
        "a": {"status": "ok", "ms": 200.0},
        "b": {"status": "timeout", "ms": 300.0, "attempts": 2, "error": "ReadTimeout"},
        "d": {"status": "ok", "ms": 100.0, "from_cache": True},
    }


def test_a_fallback_stands_in_and_is_told_apart() -> None:
    seen = []

    def instead(key: str, error: errors.HTTPError) -> str:
        seen.append((key, type(error)))
        return f"instead of {key}"

    gathered = settled(THREE, fallback=instead)
    assert seen == [("b", errors.ReadTimeout)]
    assert gathered.ok == {"a": 1, "b": "instead of b", "c": 3}
    assert list(gathered.ok) == ["a", "b", "c"]
    assert gathered["b"].status is Status.FALLBACK
    assert isinstance(gathered["b"].error, errors.ReadTimeout)
    assert gathered.errors == {}
    assert not gathered.complete
    assert gathered.report()["b"] == {"status": "fallback", "ms": 300.0, "attempts": 2, "error": "ReadTimeout"}
    gathered.raise_for_errors()


def test_fallbacks_can_be_given_by_key() -> None:
    gathered = settled([failure("a"), failure("b")], fallback={"b": []})
    assert gathered.ok == {"b": []}
    assert list(gathered.errors) == ["a"]


def test_a_fallback_that_would_have_to_be_awaited_is_a_mistake() -> None:
    async def instead(key: str, error: errors.HTTPError) -> str:
        return "never"

    with pytest.raises(TypeError, match="plain function"):
        settled([failure("a")], fallback=instead)


def test_a_required_source_that_failed_raises_with_all_that_came() -> None:
    with pytest.raises(GatherError, match="required, and failed: b") as caught:
        settled(THREE, require=["a", "b"])
    assert caught.value.gathered.ok == {"a": 1, "c": 3}
    assert [type(error) for error in caught.value.exceptions] == [errors.ReadTimeout]
    assert settled(THREE, require=["a", "c"]).ok == {"a": 1, "c": 3}


def test_a_fallback_does_not_make_up_for_a_required_source() -> None:
    with pytest.raises(GatherError) as caught:
        settled(THREE, require=["b"], fallback={"b": 0})
    assert caught.value.gathered["b"].value == 0


def test_a_gather_error_is_an_exception_group_and_travels() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        settled(THREE, require=["b"])
    after = pickle.loads(pickle.dumps(caught.value))
    assert type(after) is GatherError
    assert str(after) == str(caught.value)
    assert after.gathered.ok == {"a": 1, "c": 3}
    assert after.gathered.completion_order == ("c", "a", "b")
    assert isinstance(after.gathered["b"].error, errors.ReadTimeout)
    some = after.subgroup(errors.ReadTimeout)
    assert isinstance(some, GatherError)
    assert some.gathered is after.gathered
    assert after.subgroup(errors.DNSError) is None


def test_what_was_not_waited_for_has_an_error_that_says_so() -> None:
    gathered = Gathered([answer("a"), PlainOutcome("b", Status.SKIPPED, elapsed=0.1)])
    assert gathered.completion_order == ("a",)
    assert isinstance(gathered.errors["b"], errors.RequestCancelled)
    assert "enough others" in str(gathered.errors["b"])


CACHE = [
    (["max-age=60", "max-age=30, public"], "max-age=30"),
    (["public, max-age=60", "public, s-maxage=9, max-age=30"], "public, max-age=30"),
    (["max-age=60", "private, max-age=90"], "private, max-age=60"),
    (["max-age=60", "no-store"], "no-store"),
    (["max-age=60", "no-cache"], "no-cache"),
    (["private, max-age=60", "no-cache"], "private, no-cache"),
    (["max-age=60", None], "no-cache"),
    (["max-age=60", "max-age=10, must-revalidate"], "max-age=10, must-revalidate"),
    (["max-age=60, immutable"], "max-age=60"),
    (['max-age="60"', 'private="set-cookie", max-age=70'], "private, max-age=60"),
    (["max-age=soon"], "max-age=0"),
    (["MAX-AGE=5"], "max-age=5"),
    (["max-age=99999999999999999999"], "max-age=2147483648"),
    ([], "no-store"),
]


@pytest.mark.parametrize(("said", "together"), CACHE, ids=[repr(said) for said, _ in CACHE])
def test_together_they_may_be_kept_as_long_as_the_first_of_them(said: list[str | None], together: str) -> None:
    outcomes = [answer(number, cache=words) for number, words in enumerate(said)]
    assert Gathered(outcomes).cache_control() == together


@pytest.mark.parametrize(
    "spoilt", [failure("b"), PlainOutcome("b", Status.FALLBACK, []), PlainOutcome("b", Status.STALE)]
)
def test_a_partial_answer_is_not_kept(spoilt: PlainOutcome[str]) -> None:
    assert Gathered([answer("a", cache="max-age=1800, public"), spoilt]).cache_control() == "no-store"


def test_the_age_of_an_answer_counts() -> None:
    old = answer("a", cache="max-age=60")
    old.response.headers["age"] = "45"
    assert Gathered([old]).cache_control() == "max-age=15"
    old.response.headers["age"] = "90"
    assert Gathered([old]).cache_control() == "max-age=0"


def test_expires_counts_where_there_is_no_max_age() -> None:
    dated = answer("a")
    dated.response.headers.update({"date": "Thu, 26 Nov 2026 10:00:00 GMT", "expires": "Thu, 26 Nov 2026 10:01:40 GMT"})
    assert Gathered([dated]).cache_control() == "max-age=100"
    dated.response.headers["expires"] = "0"
    assert Gathered([dated]).cache_control() == "max-age=0"


def test_what_was_asked_with_credentials_is_private_unless_said_otherwise() -> None:
    asked = answer("a", cache="max-age=60")
    asked.response.request = SimpleNamespace(headers={"authorization": "Bearer x"})
    assert Gathered([asked]).cache_control() == "private, max-age=60"
    asked.response.headers["cache-control"] = "public, max-age=60"
    assert Gathered([asked]).cache_control() == "public, max-age=60"
