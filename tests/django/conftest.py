"""A real project (tracks_site) under turnout's Django handler, driven in-process by a stand-in for Rust."""

# Django must be set up before what needs it is imported.

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnout.django import threadlocals

# As a worker does: before the project is imported.
threadlocals.install()

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracks_site.settings")

import django
from django.test.utils import override_settings

django.setup()

import judging
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django_driver import Driver
from tracks_site import views

from turnout.django.handler import DjangoHandler


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    call_command("migrate", verbosity=0, run_syncdb=True)


@pytest.fixture(autouse=True)
def events() -> list[str]:
    """What the project's views noted down in this test."""
    views.events.clear()
    return views.events


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Run an async test with a driver: `make(test, kind="asgi", settings={...}, **options of DjangoHandler)`."""

    def run(
        test: Callable[[Driver], Awaitable[Any]], *, kind: str = "asgi", settings: Any = None, **options: Any
    ) -> Any:
        async def main() -> Any:
            application = options.pop("application", None)
            if application is None:
                application = get_asgi_application() if kind == "asgi" else get_wsgi_application()
            handler = DjangoHandler(application, loop=asyncio.get_running_loop(), **options)
            driver = Driver(handler)
            try:
                return await test(driver)
            finally:
                handler.close()
                driver.close()

        with override_settings(**(settings or {})):
            return asyncio.run(asyncio.wait_for(main(), 60))

    return run


@pytest.fixture
def fresh_verdicts() -> Iterator[None]:
    """What hops run is told once a process: each test that asks for this has verdicts of its own."""
    judging.start()
    yield
    judging.start()


MIDDLEWARE = "tracks_site.middleware."


@pytest.fixture
def with_middleware() -> Callable[..., dict[str, Any]]:
    """Settings with middleware of tracks_site.middleware in front of (or, with a "+", behind) the project's."""

    def settings(*names: str) -> dict[str, Any]:
        from tracks_site.settings import MIDDLEWARE as usual

        front = [MIDDLEWARE + name for name in names if not name.startswith("+")]
        behind = [MIDDLEWARE + name[1:] for name in names if name.startswith("+")]
        return {"MIDDLEWARE": [*front, *usual, *behind]}

    return settings
