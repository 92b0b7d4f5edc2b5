"""Who listens to Django's signals: for which senders somebody other than Django does."""

from __future__ import annotations

import weakref
from typing import Any

from turnout.django.targets.provenance import is_djangos

_ANYBODY = id(None)


class Listeners:
    """One signal. Looks again only when its list of receivers has changed."""

    def __init__(self, signal: Any) -> None:
        self._signal = signal
        self._seen: list[Any] = []
        self._foreign: frozenset[int] = frozenset()

    def foreign(self, sender: Any) -> bool:
        """Whether sending this signal for `sender` runs code that is not Django's."""
        receivers = self._signal.receivers
        if receivers != self._seen:
            self._seen = list(receivers)
            # ((id of the receiver, id of the sender), the receiver, ...), whatever the release puts behind.
            self._foreign = frozenset(entry[0][1] for entry in receivers if _is_foreign(entry[1]))
        foreign = self._foreign
        return bool(foreign) and (_ANYBODY in foreign or id(sender) in foreign)


def _is_foreign(receiver: Any) -> bool:
    if isinstance(receiver, weakref.ReferenceType):
        receiver = receiver()
        if receiver is None:
            return False
    return not is_djangos(getattr(receiver, "__func__", receiver))
