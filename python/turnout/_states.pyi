"""Stubs of what the native half accounts for: see `turnout._turnout`."""

from typing import final

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
        """Now, for `waited`."""

    def caller(self) -> int:
        """The place in the project's code that calls this, for `waited` and `begins`; 0: none of it does."""

    def blocks(self) -> int:
        """A call of it blocks this thread from now on: a stamp for `blocked`.

        0: nothing is to be told, because nothing is accounted for, or this is inside of a call that is told as a whole.
        """

    def blocked(self, kind: str, address: str, began: int) -> None:
        """It does no longer. As `waited`, of what calls this; to be called where `blocks` did not give 0."""

    @staticmethod
    def queued(long: int) -> None:
        """So much of the call that blocks this thread, in the unit of stamps, it was in line for a connection."""

    def awaits(self) -> int | None:
        """A call of it is going to be awaited: the place in the project's code that makes it, for `waited`.

        None: where `blocks` gives 0.
        """

    def waited(self, kind: str, address: str, began: int, caller: int = 0, queued: int = 0) -> None:
        """A call of it is over, which was sent to that address when `began` was the stamp.

        The kinds are "db", "http" and "cache". `caller`: the place in the project's code that made the call; 0: the
        one that calls this. `queued`: how much of the time it was in line for a connection of its pool, in the unit of
        stamps. ValueError: there is no such kind.
        """

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
