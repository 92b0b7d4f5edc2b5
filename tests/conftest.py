"""What every test may use; what belongs to one subject is in the conftest of its folder."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A job that a shell put into the background ignores these; so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that is under test."""
    return Path(__file__).resolve().parent.parent
