"""Outbound HTTP for sync and async code: one client, one pool of connections a process, n calls at once."""

from __future__ import annotations

from typing import Any

from turnout._turnout import HttpHeaders as Headers
from turnout._turnout import HttpRequest as Request
from turnout._turnout import HttpResponse as Response
from turnout.http.client import Client
from turnout.http.client import process_client as client
from turnout.http.completed import AsCompleted
from turnout.http.errors import *  # noqa: F403 - all of them, by their own list
from turnout.http.errors import __all__ as _errors
from turnout.http.gathered import Gathered, GatherError
from turnout.http.mock import mock
from turnout.http.outcomes import Outcome
from turnout.http.policies import (
    Backoff,
    Bulkhead,
    Cache,
    CircuitBreaker,
    Coalesce,
    Hedge,
    Limits,
    Policy,
    RateLimit,
    Retry,
    RetryBudget,
    Select,
    Timeout,
)
from turnout.http.reaching import AddressPolicy, Proxy, TLSConfig
from turnout.http.scope import current_deadline, deadline, detached
from turnout.http.settings import configure
from turnout.http.status import Status
from turnout.http.timings import Timings
from turnout.http.transports import ASGITransport, WSGITransport

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"
FIRST_EXCEPTION = "FIRST_EXCEPTION"


def stats() -> dict[str, Any]:
    """`client.stats()`: what happened so far to the calls of the process client, by upstream."""
    return client.stats()


__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "ASGITransport",
    "AddressPolicy",
    "AsCompleted",
    "Backoff",
    "Bulkhead",
    "Cache",
    "CircuitBreaker",
    "Client",
    "Coalesce",
    "GatherError",
    "Gathered",
    "Headers",
    "Hedge",
    "Limits",
    "Outcome",
    "Policy",
    "Proxy",
    "RateLimit",
    "Request",
    "Response",
    "Retry",
    "RetryBudget",
    "Select",
    "Status",
    "TLSConfig",
    "Timeout",
    "Timings",
    "WSGITransport",
    "client",
    "configure",
    "current_deadline",
    "deadline",
    "detached",
    "mock",
    "stats",
]
__all__ += _errors
