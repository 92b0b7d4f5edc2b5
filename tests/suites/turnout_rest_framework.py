"""A pytest plugin for Django REST framework's own tests: their clients ask turnout's handlers (turnout_runner.py).

TURNOUT_SUITE_MODE says which, TURNOUT_SUITE_RESULT names the file that tells how each test ended and what was used.
"""

from __future__ import annotations

from typing import Any

import pytest
from turnout_ended import Ended

ENDED = Ended()


def pytest_configure(config: Any) -> None:
    config.pluginmanager.register(ENDED)


# After Django is set up, and before a test module imports its client.
@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    import django.test.client
    import turnout_runner
    from django.core.handlers.wsgi import WSGIHandler

    django.test.client.ClientHandler = turnout_runner.ClientHandler
    import rest_framework.test

    rest_framework.test.WSGIHandler = turnout_runner.REPLACED[WSGIHandler]
    ENDED.used = turnout_runner.USED
