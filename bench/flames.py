"""Flame graphs of a request: where the CPU of the async and the sync JSON view goes.

    .venv-bench-3.13-django6.1/bin/python -m bench.flames [--seconds 10] [--output docs/img]

perf takes the stacks of the worker under 32 connections, Python's frames among the native ones (3.13 or newer writes
down where its functions lie, PYTHON_PERF_JIT_SUPPORT); inferno draws them (`cargo install inferno`). The table
shares the samples out by who asked for the work; what the kernel does counts by itself.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from bench import load as generator
from bench.load import Load
from bench.measure import Plan, free_port, start
from bench.processes import running
from bench.servers import variants

VIEWS = {"async": "/json/async/", "sync": "/json/sync/"}
CONNECTIONS = 32
#: Samples a second. Not a divisor of a second, or timers would march in step with it.
RATE = 499
#: Of each stack, in bytes: deep enough for the interpreter's frames, small enough to be written down.
STACK = 16384

#: Who asked for the work: the first whose mark is in a stack. The names of Python's frames begin with `py::`.
OUTER = (
    ("the kernel: writing to sockets", ("do_writev", "sys_sendto")),
    ("the kernel: reading from sockets", ("sys_recvfrom", "ksys_read")),
    ("the kernel: looking for events", ("sys_epoll",)),
    ("the kernel: the rest", ("do_syscall_64", "asm_sysvec", "asm_exc")),
    ("get_response and the view", ("py::AsyncTrack.turnout_respond", "py::SyncServing._respond")),
    ("the request and the response as objects, signals, closing", ("py::AsyncServing.serve", "py::DjangoHandler.")),
)
#: Else: whose the innermost frame is that has a mark.
INNER = (
    ("from Rust to Python and back", ("_turnout::interface",)),
    ("HTTP", ("turnout_http", "hyper::", "httparse::", "http::")),
    ("the collector of garbage", ("gc_collect",)),
)
REST = "the loop, the runtime, the pool"
#: Part of a stack that ends at a function of Python's whose name perf did not find. More than a few: measure again.
BROKEN = "[perf-"
LOST = "(stacks that could not be followed to their beginning)"


def main() -> None:
    """The command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m bench.flames", description=__doc__, formatter_class=formatter)
    parser.add_argument("--seconds", type=int, default=10, help="of stacks, for each view")
    parser.add_argument("--output", type=Path, default=Path("docs/img"), help="folder of the pictures")
    options = parser.parse_args()
    if sys.version_info < (3, 13):
        parser.error("older Pythons than 3.13 do not say where their functions lie")
    for tool, hint in (("perf", "linux-perf"), ("inferno-collapse-perf", "cargo install inferno")):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is not on the PATH: {hint}")
    options.output.mkdir(parents=True, exist_ok=True)
    for view, path in VIEWS.items():
        stacks = record(path, options.seconds)
        draw(stacks, f"Requests of the {view} JSON view: CPU of the worker", options.output / f"flames-{view}.svg")
        print(f"\n{view} JSON view, {options.seconds * RATE} moments\n\n{table(stacks)}")


def record(path: str, seconds: int) -> Counter[str]:
    """The stacks of a worker that answers `path` as often as it can, outermost frame first, joined by semicolons."""
    os.environ["PYTHON_PERF_JIT_SUPPORT"] = "1"
    plan = Plan(seconds=seconds, warm_up=2, pinned=True, upstream="", say=print)
    port = free_port()
    load = [Load(path, CONNECTIONS)]
    with tempfile.TemporaryDirectory() as folder:
        raw, injected = f"{folder}/raw", f"{folder}/injected"
        with running(start(variants("turnout", "django")[0], port, plan)) as child:
            generator.together(load, port, plan.warm_up, plan.load_core)
            busy = threading.Thread(target=generator.together, args=(load, port, seconds + 2, plan.load_core))
            busy.start()
            worker = generator.fetch_json(port, "/facts/")["pid"]
            told = ["-k", "1", "-e", "cpu-clock", "-F", str(RATE), "--call-graph", f"dwarf,{STACK}", "-o", raw]
            # The load's core is the one with time to spare.
            pinned = ["taskset", "--cpu-list", str(plan.load_core)]
            _run([*pinned, "perf", "record", *told, "-p", str(worker), "--", "sleep", str(seconds)])
            busy.join()
            processes = child.tree()
        # Only now has Python written down the last of its functions.
        try:
            _run(["perf", "inject", "-i", raw, "--jit", "--output", injected])
            script = _run(["perf", "script", "-i", injected])
        finally:
            for pid in processes:
                for left in (f"jit-{pid}.dump", f"jitted-{pid}-*.so"):
                    for path in Path("/tmp").glob(left):
                        path.unlink()
    stacks: Counter[str] = Counter()
    for line in _run(["inferno-collapse-perf"], script).splitlines():
        stack, _, count = line.rpartition(" ")
        if not stack.startswith("turnout-standby"):
            stacks[stack] += int(count)
    return stacks


def _run(command: list[str], text: str | None = None) -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def draw(stacks: Counter[str], title: str, output: Path) -> None:
    """A picture, without what is narrower than half a per cent."""
    told = ["--title", title, "--minwidth", "0.5", "--width", "1400", "--colors", "aqua", "--countname", "ns", "--hash"]
    text = "".join(f"{_readable(stack)} {count}\n" for stack, count in stacks.items())
    output.write_text(_run(["inferno-flamegraph", *told], text))


def _readable(stack: str) -> str:
    """Frames as a reader knows them: without folders, and without the interpreter between two functions of Python."""
    frames = [re.sub(r"^(py::[^:]*:).*/", r"\1", _plain(frame)) for frame in stack.split(";")]
    return ";".join(frame for frame in frames if not frame.startswith(("_PyEval", "py_trampoline", "[unknown]")))


def _plain(frame: str) -> str:
    """A Rust name without the types it was made for: they fill a screen."""
    return re.sub(r"<.*>", "", frame) if len(frame) > 80 and not frame.startswith("py::") else frame


def table(stacks: Counter[str]) -> str:
    """Who asked for the work, as shares of all samples."""
    shares: Counter[str] = Counter()
    for stack, count in stacks.items():
        shares[_who(stack)] += count
    every = sum(shares.values())
    return "\n".join(f"{count / every:6.1%}  {who}" for who, count in shares.most_common())


def _who(stack: str) -> str:
    for who, marks in OUTER:
        if any(mark in stack for mark in marks):
            return who
    # Without the types a function was made for: those name everything.
    for frame in (re.sub(r"<(?!impl| ).*", "", frame) for frame in reversed(stack.split(";"))):
        for who, marks in INNER:
            if any(mark in frame for mark in marks):
                return who
    return LOST if BROKEN in stack else REST


if __name__ == "__main__":
    main()
