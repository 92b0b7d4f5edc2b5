"""Where the time of one call went, in seconds: the native `Timings` of crates/turnout-client as Python shows it."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Timings:
    """Phases of the last attempt, and the whole. None: it did not happen (a pooled connection needs no `connect`)."""

    #: In queues before the pool: bulkhead, rate limit, back-off.
    queued: float | None = None
    #: Until the pool gave a connection, or began to make one.
    pool: float | None = None
    #: Name to addresses.
    dns: float | None = None
    #: Until an address took the connection.
    connect: float | None = None
    #: The handshake.
    tls: float | None = None
    #: From the first byte of the request to the head of the answer.
    first_byte: float | None = None
    #: From the head to the end of the body.
    body: float | None = None
    #: Encodings and JSON.
    decode: float | None = None
    #: All of it, earlier attempts included.
    total: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """The phases that happened, for a log line or `Server-Timing`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: seconds for name, seconds in values.items() if seconds is not None}
