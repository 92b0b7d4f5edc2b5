"""The command line: ``turnout serve``, ``routes``, ``top`` and ``demo``, and ``python -m turnout``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys


def main() -> int:
    """Run the command line of this process and return its exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["demo"]:
        from turnout.demo import main as demo

        return demo(arguments[1:])

    from turnout import _turnout

    # Python's own handler would turn Ctrl-C into a KeyboardInterrupt here, after the supervisor has ended well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # -X, -W, -O and the like were meant for the process that runs the project.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return _turnout.command(arguments, [sys.executable, *flags, "-m", "turnout.worker"], _routes)


def _routes(settings: str, question: str) -> int:
    from turnout.routes import main as routes

    return routes(json.loads(settings), json.loads(question))


if __name__ == "__main__":
    sys.exit(main())
