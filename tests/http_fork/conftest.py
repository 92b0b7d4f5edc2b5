"""An upstream for servers and workers that fork."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from turnout._turnout import LabUpstreams


@pytest.fixture
def upstream() -> Iterator[str]:
    """The URL of a simulated upstream: /?ms=50 answers after 50 ms."""
    running = LabUpstreams()
    try:
        yield running.url
    finally:
        running.stop()
