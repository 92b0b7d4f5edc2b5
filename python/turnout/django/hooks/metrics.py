"""django-prometheus: counters in memory, under locks that nobody holds for long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from turnout.django.hooks.verdicts import Vetted, VettedView


def counters(middleware: Any) -> Vetted | None:
    """Both hooks of either middleware."""
    return None if counts_elsewhere() or not _counts_plainly(middleware.metrics) else Vetted(True, True)


def counters_view(middleware: Any, method: Callable[..., Any], wrapped: bool) -> VettedView | None:
    """The same for process_view."""
    return None if counters(middleware) is None else VettedView(True, method)


def counts_elsewhere() -> str:
    """For the banner: with several processes the values lie in mapped files, which grow where they are counted."""
    values = sys.modules.get("prometheus_client.values")
    plain = values is None or values.ValueClass is values.MutexValue
    return "" if plain else "PROMETHEUS_MULTIPROC_DIR keeps the counters in files"


def _counts_plainly(metrics: Any) -> bool:
    """Whether all that a project counts is of the library's own kinds."""
    library = sys.modules["prometheus_client.metrics"]
    kinds = (library.Counter, library.Histogram, library.Gauge, library.Summary)
    return all(type(metric) in kinds for metric in vars(metrics).values())
