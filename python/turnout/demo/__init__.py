"""``turnout demo``: serves examples/hotels over simulated booking sites and measures its one search, written nine ways.

Each way gets a freshly started server, so that its threads and its memory are its own. Everything started here is ended
here, whatever happens.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from turnout import _turnout
from turnout.demo import findings
from turnout.demo.measure import Figures, measure
from turnout.demo.progress import Progress
from turnout.demo.server import DemoError, Project, Server

# URL name and title of each way, as in the example's question.py; the demo does not import the project it serves.
WAYS = {
    "one-after-another": "sync view, one after another",
    "thread-pool": "sync view, a thread per call",
    "gathered": "async view, asyncio.gather",
    "adrf": "ADRF AsyncAPIView, gather",
    "drf": "DRF APIView, one after another",
    "http-gather": "sync view, http.gather",
    "http-agather": "async view, http.agather, 6 of 8",
    "http-merged": "async view, lazy merge",
    "http-stream": "async view, offers as they come",
}

NEEDED = {
    "django": "Django",
    "rest_framework": "djangorestframework",
    "adrf": "adrf",
    "aiohttp": "aiohttp",
    "requests": "requests",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit status."""
    options = parse(arguments)
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        return complain(f"the demo needs {', '.join(missing)}: pip install 'turnout[demo]'")
    example = find_example()
    if example is None:
        return complain("the demo needs examples/hotels of turnout's repository, which this installation lacks")
    try:
        with ended_by_signals(), ExitStack() as stack:
            return run(options, example, stack)
    except KeyboardInterrupt:
        return 130
    except DemoError as error:
        return complain(str(error))


def run(options: argparse.Namespace, example: Path, stack: ExitStack) -> int:
    """Measure, print, and stay if wanted."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnout-demo-")))
    upstreams = _turnout.LabUpstreams()
    stack.callback(upstreams.stop)
    project = Project(example, directory, upstreams.url)
    project.migrate()
    if not options.page:
        failed = compare(project, upstreams, options.at_once)
        if failed:
            return complain(f"{failed} requests went wrong")
    if options.page or options.stay or (sys.stdin.isatty() and sys.stdout.isatty()):
        stay(project, options.bind)
    return 0


def compare(project: Project, upstreams: _turnout.LabUpstreams, at_once: int) -> int:
    """Measure all ways, print what came of it, and return how many requests failed."""
    say(f"Hotels, nine ways: one search at eight simulated booking sites ({upstreams.url}), served by turnout.")
    say(f"Each way has a server of its own and runs once alone, then {at_once} at once.\n")
    figures: dict[str, Figures] = {}
    with Progress(len(WAYS), enabled=sys.stderr.isatty()) as progress:
        for way, title in WAYS.items():
            progress.begin(title, at_once)
            with Server(project, "127.0.0.1:0") as server:
                figures[way] = measure(server, upstreams, way, at_once, progress)
            progress.end()
    say(findings.table(figures, WAYS, at_once, bold=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    for line in findings.conclusions(figures, at_once):
        say(line)
    return sum(one.failed for one in figures.values())


def stay(project: Project, bind: str | None) -> None:
    """Serve the page until Ctrl-C or SIGTERM."""
    fallback = "127.0.0.1:0" if bind is None else None
    with Server(project, bind or "127.0.0.1:8000", fallback, admin=True) as server:
        say(f"\nThe page, to try it by hand: {server.url}/ (Ctrl-C ends it)")
        say(f"Where the time of its requests goes, live: {server.admin_link}")
        try:
            server.wait()
        except KeyboardInterrupt:
            say("")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="turnout demo",
        description="One hotel search, written nine ways, against simulated booking sites, and says what each costs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--stay", action="store_true", help="serve the page afterwards also where nobody sits at a terminal"
    )
    parser.add_argument("--page", action="store_true", help="only serve the page, measure nothing")
    parser.add_argument(
        "--bind", metavar="HOST:PORT", help="where the page is served (default: 127.0.0.1:8000, or any free port)"
    )
    parser.add_argument(
        "--at-once", metavar="N", type=at_once, default=100, help="requests in the crowded run (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def at_once(text: str) -> int:
    """Up to what this machine's descriptors surely allow: each request makes eight calls."""
    number = int(text)
    if not 1 <= number <= 500:
        raise argparse.ArgumentTypeError("1 to 500, please")
    return number


def find_example() -> Path | None:
    """Beside this package: in a wheel it is really there, in a checkout a link of that name leads to it."""
    example = Path(__file__).resolve().parent.parent / "examples" / "hotels"
    return example.resolve() if (example / "manage.py").is_file() else None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: through every `finally`."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str) -> None:
    """Print to whoever reads along."""
    print(text, flush=True)


def complain(text: str) -> int:
    """Say what went wrong in one line."""
    print(f"turnout demo: {text}", file=sys.stderr)
    return 1
