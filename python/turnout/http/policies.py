"""How long, how many, how often, and through what: everything about calls that is not the request itself.

Frozen and checked when made, so that a mistake is an error where it was written and not at the first call; the native
half reads them once. Each also comes from a plain dict of the same names, as settings have it. All are off until given
but `Timeout` and `Limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from turnout.http import checks, errors
from turnout.http.errors import HTTPError

KiB = 1024
MiB = 1024 * KiB

#: Sent twice they do what they do once (RFC 9110, 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})

#: What `Retry` takes for a reason by default: the upstream is busy or away, or the connection was.
RETRIED: frozenset[int | type[HTTPError]] = frozenset(
    {
        429,
        502,
        503,
        504,
        errors.ConnectTimeout,
        errors.AttemptTimeout,
        errors.ReadTimeout,
        errors.WriteTimeout,
        errors.DNSError,
        errors.ConnectError,
        errors.ReadError,
        errors.WriteError,
        errors.RemoteProtocolError,
        errors.ProxyError,
    }
)


@dataclass(frozen=True)
class Timeout:
    """Limits on time, in seconds. `total` is the whole call: queues, retries, redirects, body and decoding.

    None: no limit but `total`'s; `total=None`: only the gather's or the request's deadline.
    """

    total: float | None = 10.0
    #: One attempt, from the pool to the end of the body.
    attempt: float | None = field(default=None, kw_only=True)
    #: Waiting for a connection that is free.
    pool: float | None = field(default=None, kw_only=True)
    #: Name, connection and handshake.
    connect: float | None = field(default=None, kw_only=True)
    #: A pause in which the upstream takes nothing of the request.
    write: float | None = field(default=None, kw_only=True)
    #: From the end of the request to the head of the answer.
    first_byte: float | None = field(default=None, kw_only=True)
    #: A pause in the answer's body.
    read: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("total", "attempt", "pool", "connect", "write", "first_byte", "read"):
            checks.seconds(self, name)

    @classmethod
    def of(cls, given: float | Timeout | Mapping[str, Any]) -> Timeout:
        """From what `timeout=` takes: a number is the total."""
        if isinstance(given, Timeout):
            return given
        return checks.from_mapping(cls, given, "timeout=") if isinstance(given, Mapping) else cls(given)


@dataclass(frozen=True)
class Limits:
    """Bounds of a client's pool."""

    max_connections: int = 1000
    max_connections_per_host: int = 100
    max_idle_per_host: int = 32
    #: How long a connection may be idle, in seconds; less if the upstream says so itself.
    keepalive: float = 15.0
    #: Calls that wait for a connection, to one place.
    max_queue: int = 1000
    #: Under turnout: run on the background thread instead of the thread that serves, however busy the calls are.
    own_thread: bool = False

    def __post_init__(self) -> None:
        checks.count(self, "max_connections", least=1)
        checks.count(self, "max_connections_per_host", least=1)
        checks.count(self, "max_idle_per_host")
        checks.count(self, "max_queue")
        checks.flag(self, "own_thread")
        checks.seconds(self, "keepalive", optional=False, zero=True)


@dataclass(frozen=True)
class Backoff:
    """The pause before retry number n: `base * 2**n`, at most `cap`; with full jitter, anything up to that."""

    base: float = 0.05
    cap: float = 1.0
    jitter: Literal["full", "none"] = "full"

    def __post_init__(self) -> None:
        checks.seconds(self, "base", optional=False, zero=True)
        checks.seconds(self, "cap", optional=False, zero=True)
        checks.one_of(self, "jitter", ("full", "none"))


@dataclass(frozen=True)
class RetryBudget:
    """How many retries and hedges an upstream gets at most: a part of its calls, and a few a second anyway."""

    ratio: float = 0.2
    min_per_second: float = 10.0
    #: How long a call counts, in seconds.
    window: float = 10.0

    def __post_init__(self) -> None:
        checks.number(self, "ratio", zero=True, most=10.0)
        checks.number(self, "min_per_second", zero=True)
        checks.seconds(self, "window", optional=False)


@dataclass(frozen=True)
class Retry:
    """Try again what may pass: `attempts` in all, the first included, inside the call's total time."""

    attempts: int = 3
    #: Statuses, and errors by class or by name.
    on: frozenset[int | type[HTTPError]] = RETRIED
    #: A POST with an `Idempotency-Key` or `idempotent=True` counts as idempotent too.
    methods: frozenset[str] = IDEMPOTENT
    backoff: Backoff = field(default_factory=Backoff)
    respect_retry_after: bool = True
    budget: RetryBudget | None = field(default_factory=RetryBudget)

    def __post_init__(self) -> None:
        checks.count(self, "attempts", least=1, most=100)
        object.__setattr__(self, "on", frozenset(self._reason(one) for one in self._many("on")))
        methods = self._many("methods")
        if not all(isinstance(method, str) and method for method in methods):
            raise checks.fault(self, "methods", "must be a set of methods", self.methods)
        object.__setattr__(self, "methods", frozenset(method.upper() for method in methods))
        checks.instance(self, "backoff", Backoff, optional=False)
        checks.flag(self, "respect_retry_after")
        checks.instance(self, "budget", RetryBudget)

    def _many(self, name: str) -> list[Any]:
        given = getattr(self, name)
        if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
            raise checks.fault(self, name, "must be a set", given)
        return list(given)

    def _reason(self, given: Any) -> int | type[HTTPError]:
        if isinstance(given, int) and not isinstance(given, bool) and 400 <= given <= 599:
            return int(given)
        named = getattr(errors, given, None) if isinstance(given, str) else given
        if isinstance(named, type) and issubclass(named, errors.RequestError):
            return named
        hint = checks.did_you_mean(given, errors.__all__) if isinstance(given, str) else ""
        raise checks.fault(self, "on", f"takes statuses from 400 to 599 and errors of turnout.http{hint}", given)


@dataclass(frozen=True)
class Hedge:
    """Ask a second time when the first answer takes long, and take whichever comes first. Idempotent calls only."""

    #: Seconds, or "p95": the time that so many of this upstream's calls took at most.
    after: float | str
    #: Calls in all, the first included.
    attempts: int = 2
    #: Hedges to calls, at most; they draw on the retry budget too.
    budget: float = 0.05
    #: Calls that must have been seen before a percentile is believed.
    min_samples: int = 100

    def __post_init__(self) -> None:
        if isinstance(self.after, str):
            percent = self.after[1:] if self.after.startswith("p") else ""
            if not percent.replace(".", "", 1).isdecimal() or not 0 < float(percent) < 100:
                raise checks.fault(self, "after", "must be seconds, or a percentile such as 'p95'", self.after)
        else:
            checks.seconds(self, "after", optional=False)
        checks.count(self, "attempts", least=2, most=10)
        checks.number(self, "budget", most=1.0)
        checks.count(self, "min_samples", least=1)


@dataclass(frozen=True)
class CircuitBreaker:
    """Stop calling an upstream that fails, and try it again after a while. By process: each worker finds out itself."""

    #: Failures to calls, from which on the circuit opens: 5xx, connections that fail, attempts that time out.
    failure_rate: float = 0.5
    #: The same of calls that took longer than `slow_after` seconds.
    slow_rate: float | None = None
    slow_after: float | None = None
    #: How long a call counts, in seconds.
    window: float = 30.0
    #: Calls in the window, below which nothing is concluded.
    min_calls: int = 20
    #: How long nothing is sent, in seconds.
    open_for: float = 5.0
    #: Calls let through afterwards, to see whether it is well.
    half_open_calls: int = 3

    def __post_init__(self) -> None:
        checks.number(self, "failure_rate", most=1.0)
        checks.number(self, "slow_rate", optional=True, most=1.0)
        checks.seconds(self, "slow_after")
        if (self.slow_rate is None) != (self.slow_after is None):
            missing = "slow_after" if self.slow_after is None else "slow_rate"
            raise ValueError(f"CircuitBreaker needs {missing}= too: slow_rate and slow_after belong together")
        checks.seconds(self, "window", optional=False)
        checks.count(self, "min_calls", least=1)
        checks.seconds(self, "open_for", optional=False)
        checks.count(self, "half_open_calls", least=1)


@dataclass(frozen=True)
class Bulkhead:
    """At most so many calls to an upstream at once; what waits beyond `max_queue` or longer than that is Overloaded."""

    max_concurrent: int
    max_queue: int = 0
    queue_timeout: float | None = None

    def __post_init__(self) -> None:
        checks.count(self, "max_concurrent", least=1)
        checks.count(self, "max_queue")
        checks.seconds(self, "queue_timeout")


@dataclass(frozen=True)
class RateLimit:
    """At most `rate` attempts in `per` seconds, by process; `burst` of them at once, or as many as `rate`."""

    rate: float
    per: float = 1.0
    burst: int | None = None
    when_full: Literal["wait", "reject"] = "wait"

    def __post_init__(self) -> None:
        checks.number(self, "rate")
        checks.seconds(self, "per", optional=False)
        checks.count(self, "burst", least=1, optional=True)
        checks.one_of(self, "when_full", ("wait", "reject"))


@dataclass(frozen=True)
class Coalesce:
    """Equal calls that are under way at the same time are one call. GET and HEAD only.

    Equal: method, URL, body, and the headers named by `vary`, so that users never see each other's answers. A `key`
    takes the place of all that, and then it is the caller who says that the answer is everybody's.
    """

    key: str | None = None
    vary: tuple[str, ...] = ("authorization", "cookie", "accept", "accept-language")

    def __post_init__(self) -> None:
        if self.key is not None and (not isinstance(self.key, str) or not self.key):
            raise checks.fault(self, "key", "must be a string or None", self.key)
        checks.words(self, "vary", "header names")
        object.__setattr__(self, "vary", tuple(name.lower() for name in self.vary))


@dataclass(frozen=True)
class Cache:
    """Keep what the upstream allows to keep (RFC 9111), in this process."""

    max_bytes: int = 64 * MiB
    #: As a cache that many users share: nothing `private`, nothing that was asked with `Authorization` unless allowed.
    shared: bool = True
    #: How old an answer may be that stands in for a failure, in seconds after it went stale.
    stale_if_error: float = 0.0
    #: How old an answer may be that is given at once while a new one is fetched.
    stale_while_revalidate: float = 0.0

    def __post_init__(self) -> None:
        checks.count(self, "max_bytes", least=1)
        checks.flag(self, "shared")
        checks.seconds(self, "stale_if_error", optional=False, zero=True)
        checks.seconds(self, "stale_while_revalidate", optional=False, zero=True)


@dataclass(frozen=True)
class Policy:
    """What stands around the calls to an upstream. The order is fixed: deadline, cache, coalescing, retry or hedge,
    breaker, rate, bulkhead, attempt.
    """

    retry: Retry | None = None
    hedge: Hedge | None = None
    breaker: CircuitBreaker | None = None
    bulkhead: Bulkhead | None = None
    rate: RateLimit | None = None
    coalesce: Coalesce | None = None
    cache: Cache | None = None

    def __post_init__(self) -> None:
        for name, kind in POLICY_PARTS.items():
            checks.instance(self, name, kind)

    def over(self, below: Policy | None) -> Policy:
        """This, and for what it does not say `below`."""
        if below is None:
            return self
        return Policy(**{name: getattr(self, name) or getattr(below, name) for name in POLICY_PARTS})


#: The parts of a `Policy`, by field.
POLICY_PARTS: Mapping[str, type[Any]] = {
    "retry": Retry,
    "hedge": Hedge,
    "breaker": CircuitBreaker,
    "bulkhead": Bulkhead,
    "rate": RateLimit,
    "coalesce": Coalesce,
    "cache": Cache,
}


@dataclass(frozen=True)
class Select:
    """What of a JSON answer is wanted: the value at `target` (a JSON pointer, RFC 6901), of whose objects, or of whose
    list's objects, only the members `allow` are kept, or all but `deny`, and some are called otherwise.
    """

    target: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.target, str) or (self.target and not self.target.startswith("/")):
            raise checks.fault(self, "target", "must be a JSON pointer such as '/data/offers'", self.target)
        checks.words(self, "allow", "member names")
        checks.words(self, "deny", "member names")
        if self.allow and self.deny:
            raise ValueError("Select takes allow= or deny=, not both: what is not allowed is left out anyway")
        if not isinstance(self.rename, Mapping) or not all(
            isinstance(old, str) and isinstance(new, str) for old, new in self.rename.items()
        ):
            raise checks.fault(self, "rename", "must be a dict of names, the old to the new", self.rename)
        object.__setattr__(self, "rename", dict(self.rename))

    def __hash__(self) -> int:
        return hash((self.target, self.allow, self.deny, tuple(self.rename.items())))

    @classmethod
    def of(cls, given: Select | str | Mapping[str, Any]) -> Select:
        """From what `select=` takes: a string is the target."""
        if isinstance(given, Select):
            return given
        return cls(given) if isinstance(given, str) else checks.from_mapping(cls, given, "select=")
