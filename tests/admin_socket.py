"""Asking an admin socket: once, or until it says so, for it looks at the workers once a second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Serving
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from wire import Answer, get

TOKEN = "a-token-that-is-long-enough"
APPS = Path(__file__).parent / "projects" / "serve"


def token_file(folder: Path) -> str:
    """A file with `TOKEN` that is its owner's alone."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(TOKEN + "\n")
    return str(path)


def ask(server: Serving | str, path: str, token: str | None = TOKEN, **headers: str) -> Answer:
    address = server if isinstance(server, str) else server.admin
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return get(address, path, headers=headers)


def now(server: Serving, **query: Any) -> dict[str, Any]:
    answer = ask(server, "/api/v1/now?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def families(server: Serving) -> dict[str, Metric]:
    """What Prometheus' own reader makes of the metrics."""
    answer = ask(server, "/metrics")
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What ``look`` says, once that is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "never so"
        time.sleep(0.05)
    return seen


def until_worker(server: Serving, seen: Callable[[dict[str, Any]], bool], index: int = 0) -> dict[str, Any]:
    """One of its workers, once ``seen`` is true of it."""

    def look() -> dict[str, Any] | None:
        worker = now(server)["workers"][index]
        return worker if seen(worker) else None

    return until(look)
