"""Outbound HTTP for sync and async code: one client, one pool of connections a process, n calls at once."""

from __future__ import annotations

from turnout._turnout import HttpOutcome as Outcome
from turnout._turnout import HttpRequest as Request
from turnout._turnout import HttpResponse as Response
from turnout.http.client import Client
from turnout.http.scope import current_deadline, deadline, detached

__all__ = ["Client", "Outcome", "Request", "Response", "current_deadline", "deadline", "detached"]
