"""What a measurement that is started by hand does around itself."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn


def say(line: str) -> None:
    """Progress, beside what goes into files and pipes."""
    print(line, file=sys.stderr, flush=True)


def command(main: Callable[[], int]) -> NoReturn:
    """Run it and end with its code. Told to stop, it stops what it started: as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    code = main()
    say(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
