"""How the answers of ``turnout routes`` are set: how wide, in which colours. Knows no Django."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

from turnout import banner

# Text that is no table is not set wider than this.
_READABLE = 110
# A terminal narrower than this is left to wrap by itself.
_NARROW = 40

# What a word costs. No colour says what the words do not say.
_COLOURS = {"async": 36, "inline": 32, "native": 32, "hop": 33, "thread": 31, "error": 31}


class Style:
    """For one stream."""

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream.isatty()
        self._colour = banner.colours(stream)
        #: None: nobody reads it at once, so nothing is wrapped.
        self.width = max(shutil.get_terminal_size().columns, _NARROW) if self.terminal else None

    def bold(self, text: str) -> str:
        """A heading."""
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text

    def dim(self, text: str) -> str:
        """What is said beside it."""
        return f"\x1b[2m{text}\x1b[0m" if self._colour else text

    def word(self, text: str, padded: str) -> str:
        """A track, a mode or a kind, in the colour of what it costs."""
        code = _COLOURS.get(text.partition(" ")[0])
        return f"\x1b[{code}m{padded}\x1b[0m" if self._colour and code else padded

    def wrap(self, text: str, first: str, other: str) -> list[str]:
        """Lines that fit, behind `first` and `other`."""
        if self.width is None:
            return [first + text]
        return textwrap.wrap(
            text,
            min(self.width, _READABLE),
            initial_indent=first,
            subsequent_indent=other,
            break_long_words=False,
            break_on_hyphens=False,
        )
