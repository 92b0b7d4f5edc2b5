"""What every test may use; what belongs to one subject is in the conftest of its folder."""

from __future__ import annotations

import faulthandler
import signal
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

#: PostgreSQL, MariaDB and Redis.
pytest_plugins = ["services"]

# A job that a shell put into the background ignores these; so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

#: So much later than the test's own timeout the run ends with the stack of every thread (`faulthandler_timeout`).
GRACE = 30


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that may take longer than others is given up on later, too: pytest's own setting is one for all."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        file = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(marker.args[0] + GRACE, exit=True, file=file)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout that is under test."""
    return Path(__file__).resolve().parent.parent
