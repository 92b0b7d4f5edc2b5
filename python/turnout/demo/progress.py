"""Progress bars at a terminal (rich), silence elsewhere."""

from __future__ import annotations

from typing import Any


class Progress:
    """One bar over all ways, one for the requests of the way at hand."""

    def __init__(self, ways: int, *, enabled: bool) -> None:
        self._bars: Any = None
        if enabled:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
                from rich.progress import Progress as Bars
            except ImportError:
                return
            text = TextColumn("{task.description}")
            console = Console(stderr=True)
            self._bars = Bars(
                text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
            )
            self._all = self._bars.add_task("nine ways", total=ways)
            self._one = self._bars.add_task("", total=None, visible=False)
        self._steps = 0

    def __enter__(self) -> Progress:
        """Show the bars."""
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Take them away."""
        if self._bars:
            self._bars.stop()

    def begin(self, title: str, at_once: int) -> None:
        """The next way: two searches alone and so many at once."""
        self._steps = 0
        if self._bars:
            self._bars.reset(self._one, total=2 + at_once, description=title, visible=True)

    def step(self) -> None:
        """One search alone is done."""
        self._steps += 1
        self.answered(0)

    def answered(self, count: int) -> None:
        """So many of the crowd are answered."""
        if self._bars:
            self._bars.update(self._one, completed=self._steps + count)

    def end(self) -> None:
        """The way is done."""
        if self._bars:
            self._bars.advance(self._all)
