"""Stubs of what the native half accounts for: see `turnout._turnout`."""

from collections.abc import Callable
from typing import Any, final

from turnout.times import Times

class Accounted:
    """A request that is being answered, and the account of its time."""

    @property
    def times(self) -> Times | None:
        """Where its time has gone so far; None where nothing is accounted for."""

    @property
    def waits(self) -> dict[str, float]:
        """Seconds that calls took of each kind that there were any of: "db", "http", "cache".

        Calls side by side count once. What a call computed is in it, so it is no part of Waiting for I/O to the letter.
        """

    @staticmethod
    def stamp() -> int:
        """Now, in the unit of stamps."""

    def caller(self) -> int:
        """The place in the project's code that calls this, for `begins`; 0: none of it does."""

    def time_call(
        self,
        kind: str,
        address: str | Callable[[tuple[Any, ...], dict[str, Any], Any, BaseException | None], str],
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        when: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None,
    ) -> Any:
        """`call(*args, **kwargs)`, which blocks this thread, told as one wait of this request when it is over.

        Inside of a call that is told as a whole, or where nothing is accounted for, it is only called. The kinds are
        "db", "http" and "cache". `address`: where it goes, or what says that of its arguments, what it returned and
        what it raised (None: it did the other); "unknown" if that raises. `when`: whether it is a wait at all; it is
        none if that raises. ValueError: there is no such kind.
        """

    @staticmethod
    def queued(long: int) -> None:
        """So much of the call that blocks this thread, in the unit of stamps, it was in line for a connection."""

    def awaits(self, kind: str) -> AwaitedCall | None:
        """A call of it is being made, and is going to be awaited. None: as `time_call`, it is not to be told."""

    def resolved(self, view: str) -> None:
        """The name of the view that it is for."""

    def keeps(self, what: str, *, between_calls: bool = False) -> None:
        """From now on it keeps a thread that it does not use, and `what` makes it.

        Until a call of it begins on a thread, if it keeps it `between_calls`, else until `lets_go`.
        """

    def lets_go(self) -> None:
        """It keeps it no longer."""

    def queues(self) -> None:
        """A call of it gets in line for a thread of the hop pool."""

    def assigned(self) -> None:
        """It is out of that line: a thread is being woken for it."""

    def begins(self, caller: int, alone: bool) -> ThreadHop | None:
        """It begins on the calling thread, sent by that caller; None where nothing is accounted for.

        `alone`: none of the project's code runs in it.
        """

    def gives_up(self) -> None:
        """It leaves that line without a thread."""

@final
class ThreadHop:
    """One call of an async request on a thread."""

    def end(self) -> None:
        """It ends, on the same thread."""

@final
class AwaitedCall:
    """A call of another client that is awaited, and timed as a whole. Goes into `in_timed_call` meanwhile."""

    def begins(self) -> None:
        """It is awaited from now on, by the code that calls this."""

    def queued(self, long: int) -> None:
        """So much of that, in the unit of stamps, it was in line for a connection of its pool."""

    def ends(
        self,
        address: str | Callable[[tuple[Any, ...], dict[str, Any], Any, BaseException | None], str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Any,
        error: BaseException | None,
    ) -> None:
        """It is over, in the code that called `begins`; see `Accounted.time_call`."""

@final
class Witness:
    """Sees requests of this process that begin from now on, once they have ended: what `turnout.testing.watch` is."""

    #: The words for kinds of calls, in the order of `seen`.
    KINDS: list[str]

    def __new__(cls) -> Witness: ...
    def leave(self) -> None:
        """Requests that begin later are not seen."""

    def wait(self, seconds: float) -> int:
        """Waits, so long at most, until all have ended that have begun; how many have not."""

    def seen(self) -> tuple[list[tuple[str, int, list[float], list[tuple[int, float]]]], int]:
        """View, status, seconds by part of `turnout.times.Times`, calls and their seconds by kind; and how many more.

        A status of 0 is a request that was not answered. 100,000 are kept.
        """

def accounting() -> list[str] | None:
    """How each state is known here, one phrase each; None where nothing is accounted for."""

def address_figures() -> list[tuple[str, str, str, str, int, int, int]]:
    """What views waited for: view, kind, address, place of code; calls, nanoseconds in all and of the longest.

    A place of the project's code is `path:line function`, the path as it would be imported. "other": none of it called,
    or there are too many to tell apart.
    """

def view_figures() -> list[tuple[str, list[int], list[int]]]:
    """All views that had requests: name; requests, failed, clamped and nanoseconds of overlap; the parts of their time.

    The parts are nanoseconds, in the order of `turnout.times.Times`.
    """

def recent_requests(view: str) -> list[tuple[int, list[int], list[tuple[str, str, str, int, int]]]]:
    """The last requests of a view that are kept whole, the oldest first.

    When it began in nanoseconds since 1970; the parts of its time, as above; its waits: kind, address, place in the
    code, beginning and end in nanoseconds since it began.
    """

def findings() -> list[tuple[str, str, str, str, int, int, int]]:
    """What was noticed: kind, view, place in its code, what; how often, nanoseconds of the worst, a number."""
