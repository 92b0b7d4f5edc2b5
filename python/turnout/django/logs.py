"""Whether a log record would reach anybody: what nobody reads needs no thread to be written on."""

from __future__ import annotations

import logging

from django.conf import settings
from django.utils.log import RequireDebugFalse, RequireDebugTrue

from turnout.django.leaving import for_nobody

_log_calls_handlers = logging.Logger.callHandlers


def would_log(logger: logging.Logger, level: int) -> bool:
    """Whether a record of this level on this logger would reach anybody."""
    if not logger.isEnabledFor(level):
        return False
    if logging.Logger.callHandlers is not _log_calls_handlers:
        return True
    if any(rule is not for_nobody for rule in logger.filters):
        return True
    found = 0
    walk: logging.Logger | None = logger
    while walk is not None:
        for handler in walk.handlers:
            found += 1
            if level >= handler.level and not isinstance(handler, logging.NullHandler) and _lets_through(handler):
                return True
        walk = walk.parent if walk.propagate else None
    return not found and logging.lastResort is not None and level >= logging.lastResort.level


def _lets_through(handler: logging.Handler) -> bool:
    for rule in handler.filters:
        if type(rule) is RequireDebugTrue and not settings.DEBUG:
            return False
        if type(rule) is RequireDebugFalse and settings.DEBUG:
            return False
    return True
