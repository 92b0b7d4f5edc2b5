"""The comparison of answers sees what it is there for: turnout_differential.py on a site that differs on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITES = Path(__file__).parent
OURS = {"wsgi sync", "wsgi async", "asgi sync", "asgi async"}


@pytest.fixture(scope="module")
def compared() -> dict:
    """What was found on the site."""
    paths = [SUITES, SUITES.parent, SUITES.parents[1] / "python"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "differing_site.py"]
    return json.loads(subprocess.run(command, cwd=SUITES, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def handlers_that_differ(compared: dict, view: str) -> dict[str, set[str]]:
    """Field -> the handlers that answered otherwise in it."""
    found: dict[str, set[str]] = {}
    for difference in compared["different"]:
        if difference["test"] == view:
            found.setdefault(difference["field"], set()).add(difference["handler"].removesuffix(" unwatched"))
    return found


@pytest.mark.parametrize(
    ("view", "field"),
    [
        ("status", "status"),
        ("header", "headers"),
        ("cookie", "cookies"),
        ("body", "body"),
        ("signal", "signals"),
        ("record", "logs"),
        ("query", "queries"),
    ],
)
def test_a_difference_is_seen_with_every_chain(compared, view, field):
    assert handlers_that_differ(compared, view) == {field: OURS}


def test_equal_answers_are_equal(compared):
    assert handlers_that_differ(compared, "same") == {}


def test_chance_is_told_from_difference(compared):
    assert handlers_that_differ(compared, "chance") == {}
    assert {line.split(":")[0] for line in compared["unrepeatable"]} == {"chance"}


def test_tokens_are_masked(compared):
    assert handlers_that_differ(compared, "token") == {}
    # Django's two handlers beside each other, four chains of turnout's, and two of those unwatched.
    assert compared["masked"] == 7


def test_gets_are_compared_and_nothing_else(compared):
    assert compared["requests"] == 10
    assert compared["left_out"] == {}
