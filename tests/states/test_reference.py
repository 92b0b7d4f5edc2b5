"""The reference project: what its views provoke is found, and nothing else is.

How exact their shares are is measured by `python -m bench.reference`.
"""

from __future__ import annotations

import pytest
import reference

# Each finding is provoked by itself in test_findings.py.
pytestmark = pytest.mark.slow

#: Longer than the server wants to see something before it speaks of it.
SECONDS = 5.0
#: These each wait long enough to be asked for less.
QUICK = 0.7


@pytest.fixture(scope="module")
def outcome() -> reference.Outcome:
    return reference.run(lambda case: SECONDS if reference.is_of_sums(case) else QUICK)


def test_every_view_is_accounted_for(outcome):
    for view, seen in outcome.shares.items():
        assert seen.requests > 0, view
        assert sum(seen.said) == pytest.approx(1, abs=0.001), view


def test_what_views_provoke_is_found(outcome):
    assert outcome.missing == [], outcome.found


def test_nothing_is_invented(outcome):
    assert [(pair, outcome.found[pair]) for pair in outcome.invented] == []
