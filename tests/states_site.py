"""The project whose views wait and compute in known ways, and what it tells of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Serving, serve
from wire import get

SITE = Path(__file__).resolve().parent / "projects" / "states_site"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(SITE), os.environ.get("PYTHONPATH", "")])}
APPLICATION = "states_asgi:application"


def served(*args: str, application: str = APPLICATION, **environment: str) -> Iterator[Serving]:
    with serve([application, *args], cwd=SITE, env={**ENVIRONMENT, **environment}) as serving:
        yield serving


def figures(site: Serving) -> dict:
    return json.loads(get(site.url, "/figures/").body)


def ended(site: Serving, view: str, requests: int = 1) -> dict:
    """The figures of a view once so many of its requests have ended: that is just after their answers were sent."""
    until = time.monotonic() + 20
    while True:
        found = figures(site)["views"].get(f"states_urls.{view}", {"requests": 0})
        if found["requests"] >= requests:
            return found
        assert time.monotonic() < until, f"{view}: {found}"


def kept(site: Serving, view: str) -> dict:
    """What is kept of a view's last requests, and what was noticed of all."""
    return json.loads(get(site.url, f"/kept/?view=states_urls.{view}").body)
