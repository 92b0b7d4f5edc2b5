"""``wsgi.file_wrapper``: a real file is sent by Rust, all else is read as its object reads; both look the same."""

import http.client
from pathlib import Path

import pytest
from harness import serve
from wire import get

PROJECT = Path(__file__).parents[1] / "projects" / "wsgi"
CONTENT = b"".join(b"%07d\n" % number for number in range(25_000))

# kind -> its content, and whether Rust reads it: only then is the length known before the end.
KINDS = {
    "buffered": (CONTENT, True),
    "raw": (CONTENT, True),
    "both-ways": (CONTENT, True),
    "advanced": (CONTENT[8:], True),
    "named": (CONTENT, True),
    "deleted": (CONTENT, True),
    "beyond": (b"", True),
    "spooled": (CONTENT, False),
    "packed": (CONTENT, False),
    "shouting": (CONTENT.replace(b"0", b"O"), False),
    "bytes": (CONTENT, False),
    "pipe": (b"through a pipe", False),
    "told": (CONTENT, False),
}


@pytest.fixture(scope="module")
def server():
    with serve(["files_app:app", "--interface", "wsgi"], cwd=PROJECT) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_arrives_as_its_object_reads_it(server, kind):
    content, by_rust = KINDS[kind]
    answer = get(server.url, "/" + kind)
    assert (answer.status, answer.body == content) == (200, True)
    assert answer.headers["Content-Length"] == (str(len(content)) if by_rust else None)


@pytest.mark.parametrize("kind", ["buffered"])
def test_a_promised_part_is_a_part(server, kind):
    answer = get(server.url, f"/{kind}?part=50&length=100")
    assert (answer.headers["Content-Length"], answer.body) == ("100", CONTENT[50:150])


def test_a_file_shorter_than_promised_never_looks_whole(server):
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(server.url, f"/buffered?length={len(CONTENT) + 1}")
    assert "ended 1 bytes before its Content-Length" in server.wait_for_log("not sent as if it were whole")
    assert get(server.url, "/buffered?length=8&part=199999").status == 500
    assert get(server.url, "/buffered").body == CONTENT


def test_text_is_no_content(server):
    assert get(server.url, "/text").status == 500


def test_the_object_is_closed(server):
    get(server.url, "/told")
    before = get(server.url, "/closed").text.count("told")
    get(server.url, "/told", method="HEAD")
    assert get(server.url, "/closed").text.count("told") == before + 1
