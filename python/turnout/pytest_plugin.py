"""What pytest gets of turnout where it is installed: the fixtures `turnout_http_mock` and `turnout_views`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from turnout.http import mock
    from turnout.testing import Views


@pytest.fixture
def turnout_http_mock() -> Iterator[mock]:
    """`http.mock()` for one test: a request that no rule expects fails it, and so does a rule that was not met."""
    from turnout import http

    with http.mock() as rules:
        yield rules


@pytest.fixture
def turnout_views() -> Iterator[Views]:
    """`turnout.testing.watch()` for one test: its requests to a `LiveServer`, and `assert_view` for their limits."""
    from turnout import testing

    with testing.watch() as views:
        yield views
