"""gunicorn's corpus of raw requests against turnout's own judgement, file by file.

Against the server of turnout-http alone (its example `echo`), or against TURNOUT_TEST_ADDRESS=HOST:PORT.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from suites import gunicorn_corpus

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

EXPECTED = gunicorn_corpus.REPOSITORY / "tests" / "suites" / "gunicorn_requests.toml"
# gunicorn's own figure: what it answers with 2xx of the files that it calls invalid.
ALLOWED_INVALID = 6

pytestmark = pytest.mark.timeout(300)  # the first to come may have to build the server


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    given = os.environ.get("TURNOUT_TEST_ADDRESS")
    if given:
        host, port = given.rsplit(":", 1)
        yield host, int(port)
        return
    run = ["cargo", "run", "--quiet", "--locked", "--package", "turnout-http", "--example", "echo"]
    with subprocess.Popen(run, cwd=gunicorn_corpus.REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        printed = urlsplit(server.stdout.readline().strip())
        assert printed.hostname, "the server ended before it listened"
        assert printed.port
        yield printed.hostname, printed.port
        # cargo replaced itself by the server.
        server.terminate()


@pytest.fixture(scope="module")
def given(address: tuple[str, int]) -> dict[str, dict[str, list[int]]]:
    return gunicorn_corpus.ask_all(address, gunicorn_corpus.corpus())


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, object]]:
    return tomllib.loads(EXPECTED.read_text())


def test_every_file_gets_the_answer_that_our_list_gives_a_reason_for(
    given: dict[str, dict[str, list[int]]], expected: dict[str, dict[str, object]]
) -> None:
    listed = {name: {key: row[key] for key in row if key != "reason"} for name, row in expected.items()}
    differing = {name: (listed.get(name), given.get(name)) for name in listed.keys() | given.keys()}
    assert {name: pair for name, pair in differing.items() if pair[0] != pair[1]} == {}, "(listed, given)"
    assert all(row["reason"] for row in expected.values())


def test_few_invalid_files_are_answered(given: dict[str, dict[str, list[int]]]) -> None:
    answered = [
        name
        for name, row in given.items()
        if name.startswith("invalid/") and all(200 <= status < 300 for status in row["answers"])
    ]
    assert len(answered) <= ALLOWED_INVALID, answered
