"""What pytest gets of turnout where it is installed: the fixture `turnout_http_mock`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from turnout.http import mock


@pytest.fixture
def turnout_http_mock() -> Iterator[mock]:
    """`http.mock()` for one test: a request that no rule expects fails it, and so does a rule that was not met."""
    from turnout import http

    with http.mock() as rules:
        yield rules
