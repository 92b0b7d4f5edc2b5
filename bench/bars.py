"""The bars: what turnout's figure, or its ratio to a rival's, has to be; with an aim where more is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# (family, case, metric) -> the best median of that family's rows, or None where there is none that counts.
Lookup = Callable[[str, str, str], float | None]


@dataclass(frozen=True)
class Bar:
    """One promise and how to compute it."""

    text: str
    value: Callable[[Lookup], float | None]
    bar: float | None
    aim: float | None
    unit: str
    upwards: bool

    def verdict(self, lookup: Lookup) -> str:
        """A line for people: the bar, the figure, and whether it holds."""
        value = self.value(lookup)
        sign = ">=" if self.upwards else "<="
        wanted = []
        if self.bar is not None:
            wanted.append(f"bar {sign} {self.bar:g}{self.unit}")
        if self.aim is not None:
            wanted.append(f"aim {self.aim:g}{self.unit}")
        head = f"{self.text} ({', '.join(wanted)})"
        if value is None:
            return f"{head}: not measured"
        figure = f"{value:.2f}{self.unit}" if value < 100 else f"{value:.0f}{self.unit}"
        if self.bar is not None and not self._holds(value, self.bar):
            return f"{head}: {figure} MISSED"
        if self.aim is not None and not self._holds(value, self.aim):
            return f"{head}: {figure} {'ok, below the aim' if self.bar is not None else 'below the aim'}"
        return f"{head}: {figure} ok"

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.upwards else value <= limit


def at_least(
    text: str,
    metric: str,
    case: str,
    rivals: tuple[str, ...],
    bar: float | None = None,
    *,
    aim: float | None = None,
    other_case: str | None = None,
    unit: str = "x",
) -> Bar:
    """turnout's figure, divided by the best rival's (of `other_case`) where rivals are named."""

    def value(lookup: Lookup) -> float | None:
        ours = lookup("turnout", case, metric)
        if not rivals:
            return ours
        theirs = [found for rival in rivals if (found := lookup(rival, other_case or case, metric))]
        # All or nothing: the better of two is not known where one is missing.
        return ours / max(theirs) if ours is not None and len(theirs) == len(rivals) else None

    return Bar(text, value, bar, aim, unit, upwards=True)


def at_most(text: str, metric: str, case: str, bar: float, *, unit: str = "") -> Bar:
    """turnout's own figure, which has to stay below."""
    return Bar(text, lambda lookup: lookup("turnout", case, metric), bar, None, unit, upwards=False)


def ratio_kept(text: str, metric: str, case: str, alone_metric: str, alone_case: str, bar: float) -> Bar:
    """How much of a figure is left of what it is alone."""

    def value(lookup: Lookup) -> float | None:
        left, alone = lookup("turnout", case, metric), lookup("turnout", alone_case, alone_metric)
        return left / alone if left is not None and alone else None

    return Bar(text, value, bar, None, "x", upwards=True)
