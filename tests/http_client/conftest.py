"""Upstreams for the client's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from http_upstream import Upstream

from turnout import http


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream().running() as upstream:
        yield upstream
        upstream.release()


@pytest.fixture
def client(upstream: Upstream) -> http.Client:
    return http.Client(upstream.url)
