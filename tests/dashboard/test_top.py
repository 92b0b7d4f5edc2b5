"""`turnout top`, as a program in a pipe and at a terminal, over the same stand-in as the page."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.mock import Mock

TOP = [sys.executable, "-m", "turnout", "top"]
COLUMNS, ROWS = 100, 30
#: Makes the terminal that of its session, and becomes the rest of the command line.
CONTROLLING = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TURNOUT_")}
    return plain | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | more


def once(mock: Mock, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [*TOP, "--admin", mock.url, *arguments]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=30)


def test_in_a_pipe_it_prints_one_table(mock: Mock) -> None:
    mock.still = 1_790_000_000.0
    mock.workers[1] = {"state": "blocked", "blocked_for": 2400.0}
    done = once(mock)
    assert done.returncode == 0, done.stderr
    assert "1 of 2 serve   worker 2 (pid 4712) blocked for 2.4 s" in done.stdout
    assert "\x1b" not in done.stdout
    rows = [line for line in done.stdout.splitlines() if re.search(r"[█▒·]{10}", line)]
    assert len(rows) == 60
    heaviest = max(mock.now(60)["views"], key=lambda view: view["seconds_a_minute"])
    assert heaviest["name"] in rows[0]
    assert "\\u{202e}gnp.exe" in done.stdout
    assert "███" in done.stdout
    assert "███" not in once(mock, LC_ALL="C").stdout


def test_in_a_pipe_it_prints_what_was_noticed_below_the_table(mock: Mock) -> None:
    mock.still = 1_790_000_000.0
    printed = once(mock).stdout
    assert "Findings 3 in the last minute" in printed
    told = [one for one in mock.findings(mock.still) if one["active"]]
    # Sentences are broken between words.
    words = " ".join(printed.split())
    for finding in told:
        assert finding["text"] in words
        assert finding["advice"] in words
    mock.findings = lambda _at: []
    assert "Findings" not in once(mock).stdout


def test_the_token_comes_from_a_file_or_a_variable(mock: Mock, tmp_path: Path) -> None:
    mock.locked, mock.bearer = True, "a-token-of-some-length"
    refused = once(mock)
    assert refused.returncode == 1
    assert refused.stderr == f"turnout: {mock.url} wants its token: --token-file FILE, or TURNOUT_ADMIN_TOKEN\n"
    token = tmp_path / "token"
    token.write_text("a-token-of-some-length\n")
    assert once(mock, "--token-file", str(token)).returncode == 0
    assert once(mock, TURNOUT_ADMIN_TOKEN="a-token-of-some-length").returncode == 0


def test_what_is_wrong_is_one_line(mock: Mock, tmp_path: Path) -> None:
    for arguments, status, said in (
        (["--admin", "nonsense"], 2, "the admin socket is http://HOST:PORT or unix:PATH"),
        (["--admin", f"unix:{tmp_path}/none"], 1, "does the server run with --admin?"),
        (["--token-file", f"{tmp_path}/none"], 2, "No such file"),
        (["--seconds", "1"], 2, "1 is not in 5..=900"),
    ):
        done = subprocess.run([*TOP, *arguments], env=environment(), capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1), done.stderr
        assert said in done.stderr


def test_help_says_what_the_bar_means_and_names_the_keys() -> None:
    done = subprocess.run([*TOP, "--help"], env=environment(), capture_output=True, text=True, timeout=30)
    for said in ("--admin", "--token-file", "TURNOUT_ADMIN_TOKEN", "--once", "Waiting for CPU", "/ filter", "q quit"):
        assert said in re.sub(r"\s+", " ", done.stdout), said


class Screen:
    """A terminal of 100 columns and 30 rows with `turnout top` in it: only what ratatui asks of one."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process, self.terminal = process, terminal
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self.at = (0, 0)
        self.rest = b""

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.cells)

    def until(self, said: str) -> None:
        """Reads on until that is on the screen."""
        deadline = time.monotonic() + 20
        while said not in self.text:
            ready, _, _ = select.select([self.terminal], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"never there: {said}\n{self.text}"
            self.paint(os.read(self.terminal, 65536))

    def press(self, keys: str, said: str) -> None:
        """Presses keys and waits for what comes of them."""
        os.write(self.terminal, keys.encode())
        self.until(said)

    def paint(self, written: bytes) -> None:
        # A sequence or a letter may be cut in two; the rest comes with the next read.
        written = self.rest + written
        whole = re.match(rb"(?s)(?:\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1a\x1c-\x7f]|[\xc0-\xff][\x80-\xbf]+)*", written)
        assert whole
        end = whole.end()
        # The last letter may lack some of its bytes.
        while end > 0 and written[end - 1] >= 0x80 and not valid(written[:end]):
            end -= 1
        self.rest = written[end:]
        for sequence, letter in re.findall(r"\x1b\[([0-9;?]*[A-Za-z])|(.)", written[:end].decode(), re.DOTALL):
            row, column = self.at
            if letter and column < COLUMNS:
                self.cells[row][column] = letter
                self.at = (row, column + 1)
            elif sequence.endswith("H"):
                row, _, column = sequence[:-1].partition(";")
                self.at = (int(row or 1) - 1, int(column or 1) - 1)
            elif sequence == "2J":
                self.cells = [[" "] * COLUMNS for _ in range(ROWS)]


def valid(written: bytes) -> bool:
    try:
        return bool(written.decode())
    except UnicodeDecodeError:
        return False


@contextmanager
def screen(mock: Mock) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    before = termios.tcgetattr(theirs)

    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLING, *TOP, "--admin", mock.url],
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        yield Screen(process, ours)
        assert process.wait(20) == 0
        assert termios.tcgetattr(theirs) == before, "the terminal is as it was"
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)


def test_at_a_terminal_it_is_sorted_filtered_and_left_by_keys(mock: Mock) -> None:
    with screen(mock) as top:
        top.until("last 1 min, 60 views")
        top.press("/hotels\n", "4 of 60 views, with")
        top.press("\x1b", "min, 60 views")
        top.press("4", "last 15 min")
        top.press("<", "vFailed")
        top.press("f", "f back to the table")
        assert "blocked-loop" in top.text
        top.press("\x1b", "vFailed")
        top.press("p", "paused")
        os.write(top.terminal, b"q")


def test_figures_change_and_a_lost_server_is_said(mock: Mock) -> None:
    with screen(mock) as top:
        top.until("60 views")
        mock.changes["hotels.views.search"] = {"seconds_a_minute": 4_321_000.0}
        top.until("4,321,000")
        mock.trouble = "away"
        top.until("this is no answer of an HTTP server")
        mock.trouble = ""
        mock.changes["hotels.views.search"] = {"seconds_a_minute": 7_654_000.0}
        top.until("7,654,000")
        top.process.send_signal(signal.SIGTERM)
