"""Each wait is told with the place in the project's code that waited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Serving
from waits import ask, line, waiting_with, waits

SECONDS = 0.04


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    with waiting_with("with_turnout") as serving:
        ask(serving, "with_turnout.makes_the_table")
        yield serving


@pytest.mark.parametrize(
    ("view", "calls"),
    [
        ("one_call", 1),
        ("one_call_awaited", 1),
        ("calls_in_tasks", 3),
        ("gathers", 3),
        ("gathers_awaited", 3),
        ("as_they_come", 3),
        ("as_they_come_awaited", 3),
        ("streams", 1),
        ("streams_awaited", 1),
    ],
)
def test_a_call_is_told_with_its_place_in_the_view(site, slow, view, calls):
    view = f"with_turnout.{view}"
    found = ask(site, view, f"upstream=http://{slow}/")
    assert list(found) == ["http"]
    assert found["http"] >= SECONDS - 0.0005
    [(kind, address, at, count)] = waits(site, view)
    assert (kind, address, count) == ("http", slow, calls)
    # A comprehension is a function of its own before Python 3.12.
    assert at.replace(".<locals>.<listcomp>", "").replace(" <listcomp>", " calls_in_tasks") == line(view)


@pytest.mark.parametrize(
    ("view", "calls"),
    [("queries", 1), ("queries_awaited", 1), ("iterates_over_a_query", 1), ("hops", 1)],
)
def test_a_query_is_told_with_its_place_in_the_view_also_where_a_thread_runs_it(site, view, calls):
    view = f"with_turnout.{view}"
    assert list(ask(site, view)) == ["db"]
    [(kind, _, at, count)] = waits(site, view)
    assert (kind, at, count) == ("db", line(view), calls)


def test_a_place_is_that_of_the_innermost_function_of_the_project(site):
    view = "with_turnout.through_a_library"
    ask(site, view)
    [(kind, _, at, count)] = waits(site, view)
    function = "<lambda>" if at.endswith(" <lambda>") else "through_a_library.<locals>.<lambda>"
    assert (kind, at, count) == ("db", line(view).replace("through_a_library", function), 2)
