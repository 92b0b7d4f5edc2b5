"""What waitress's functional tests (3.0.2, ZPL) ask of a WSGI server, as a list of cases of our own.

Their subjects and verdicts are facts; the requests, the application and the words are ours. Where turnout answers
otherwise, the case says so and why (``unlike``). Not taken over: the Server field, PROXY and X-Forwarded headers, which
turnout leaves to later, and tracebacks in answers, which it never sends.
"""

from __future__ import annotations

from dataclasses import dataclass

#: `tests/projects/wsgi/functional_app.py` sends this.
FILE = b"\xff\xd8" + b"not really a picture " * 1000

LENGTH, CHUNKED, TO_THE_END, NOTHING = "a length", "chunks", "the end of the connection", "nothing"


@dataclass(frozen=True)
class Expected:
    """One answer. ``body`` None: whatever it is."""

    status: int
    body: bytes | None = None
    framed: str = LENGTH


@dataclass(frozen=True)
class Case:
    """What is sent, what comes back, and whether the connection stays."""

    name: str
    sends: bytes
    answers: tuple[Expected, ...]
    stays: bool
    #: The last answer is cut off in a way that the client can see.
    broken: bool = False
    #: Where waitress does otherwise, and why turnout does not.
    unlike: str = ""


def request(
    target: str = "/", body: bytes = b"", *, version: str = "1.1", fields: str = "", method: str = "GET"
) -> bytes:
    host = "" if version == "1.0" else "Host: a\r\n"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/{version}\r\n{host}{length}{fields}\r\n".encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def ok(body: bytes = b"", framed: str = LENGTH) -> Expected:
    return Expected(200, body, framed)


KEEP, CLOSE = "Connection: Keep-Alive\r\n", "Connection: close\r\n"
LINE = b"A line of this many bytes.\r\n"
FAILED, BAD = (Expected(500),), (Expected(400),)

ECHO = [
    Case("1.0, a body", request(body=b"hello", version="1.0"), (ok(b"hello"),), stays=False),
    Case("1.0, an empty body", request(version="1.0", fields="Content-Length: 0\r\n"), (ok(),), stays=False),
    Case(
        "a body of lines without a last end", request(body=b"a\r\nb\r\nc", fields=CLOSE), (ok(b"a\r\nb\r\nc"),), False
    ),
    Case("1.0, a body of a kilobyte", request(body=LINE * 36, version="1.0"), (ok(LINE * 36),), stays=False),
    Case("a folded field instead of Host", b"GET / HTTP/1.0\r\n Host: 0\r\n\r\n", BAD, stays=False),
    Case("no chunks but the last", chunked() + b"0\r\n\r\n", (ok(),), stays=True),
    Case("twelve chunks", chunked(*[LINE] * 12) + b"0\r\n\r\n", (ok(LINE * 12),), stays=True),
    Case("rubbish instead of a chunk", chunked(LINE) + b"rubbish\r\n", BAD, stays=False),
    Case("a size of 0x1c", chunked() + b"0x1c\r\n" + LINE + b"\r\n", BAD, stays=False),
    Case("an extension without its value", chunked() + b"1c;key=\r\n" + LINE + b"\r\n", BAD, stays=False),
    Case("a chunk without its end", chunked() + b"1c\r\n" + LINE + b"rubbish", BAD, stays=False),
    Case("1.0 does not stay", request(body=b"x", version="1.0"), (ok(b"x"),), stays=False),
    Case("1.0 stays if asked to", request(body=b"x", version="1.0", fields=KEEP), (ok(b"x"),), stays=True),
    Case("1.1 stays", request(body=b"x"), (ok(b"x"),), stays=True),
    Case("1.1 stays, asked to", request(body=b"x", fields=KEEP), (ok(b"x"),), stays=True),
    Case("1.1 does not stay if asked to close", request(body=b"x", fields=CLOSE), (ok(b"x"),), stays=False),
    Case(
        "25 requests at once",
        b"".join(request(body=b"number %d" % n, version="1.0", fields=KEEP) for n in range(24))
        + request(body=b"the last", version="1.0", fields=CLOSE),
        (*(ok(b"number %d" % n) for n in range(24)), ok(b"the last")),
        stays=False,
    ),
    Case(
        "a body that was expected to wait and did not",
        request(body=b"here already", fields="Expect: 100-continue\r\n"),
        (Expected(100, b"", NOTHING), ok(b"here already")),
        stays=True,
    ),
]

PROMISES = [
    Case(
        "fewer bytes than promised, whole",
        request("/promise/5", b"abc"),
        FAILED,
        True,
        unlike="waitress sends 3 of 8 and closes; nothing is lost by saying so before the head",
    ),
    Case("more bytes than promised, whole", request("/promise/-2", b"abcde"), (ok(b"abc"),), stays=True),
    Case("write(): fewer than promised", request("/write/5", b"abcde"), (ok(b"abcde"),), stays=False, broken=True),
    Case("write(): more than promised", request("/write/-4", b"abcdefgh"), (ok(b"abcd"),), stays=True),
    Case("write(): as promised", request("/write/0", b"abcdefgh"), (ok(b"abcdefgh"),), stays=True),
    Case(
        "write(): nothing promised",
        request("/write", b"abcdefgh"),
        (ok(b"abcdefgh", CHUNKED),),
        stays=True,
        unlike="waitress closes; 1.1 has chunks for it",
    ),
    Case(
        "write(): nothing promised, 1.0",
        request("/write", b"abcdefgh", version="1.0"),
        (ok(b"abcdefgh", TO_THE_END),),
        stays=False,
    ),
    Case(
        "1.0, a generator",
        request("/generator", b"a" * 35, version="1.0", fields=KEEP),
        (ok(b"a" * 35, TO_THE_END),),
        stays=False,
    ),
    Case("1.0, a list of one", request("/list", b"a" * 35, version="1.0", fields=KEEP), (ok(b"a" * 35),), stays=True),
    Case(
        "1.0, a list of two",
        request("/list/1", b"a" * 35, version="1.0", fields=KEEP),
        (ok(b"a" * 35),),
        stays=True,
        unlike="waitress closes: it looks at lists of one alone",
    ),
    Case("1.1, a generator", request("/generator", b"a" * 35), (ok(b"a" * 35, CHUNKED),), stays=True),
    Case("1.1, a list of one", request("/list", b"a" * 35), (ok(b"a" * 35),), stays=True),
    Case(
        "1.1, a list of two",
        request("/list/1", b"a" * 35),
        (ok(b"a" * 35),),
        stays=True,
        unlike="waitress sends chunks: it looks at lists of one alone",
    ),
]

A = b"a" * 1050
NO_METHOD = Expected(501)
LONG = "waitress takes what follows for fields and answers 431; it is a method, and one that nobody knows"
TOO_LARGE = [
    Case("fields", request(fields="X-Many: 100\r\n" * 400), (Expected(431),), stays=False),
    Case("1.0, more than announced", request(body=b"aaaaa", version="1.0") + A, (ok(b"aaaaa"),), stays=False),
    Case(
        "1.0, more than announced, to stay",
        request(body=b"aaaaa", version="1.0", fields=KEEP) + A,
        (ok(b"aaaaa"), NO_METHOD),
        stays=False,
        unlike=LONG,
    ),
    Case("1.0, nothing announced", request(version="1.0") + A, (ok(),), stays=False),
    Case(
        "1.0, nothing announced, to stay",
        request(version="1.0", fields=KEEP) + A,
        (ok(), NO_METHOD),
        stays=False,
        unlike=LONG,
    ),
    Case("1.1, more than announced", request(body=b"aaaaa") + A, (ok(b"aaaaa"), NO_METHOD), stays=False, unlike=LONG),
    Case("1.1, more than announced, to close", request(body=b"aaaaa", fields=CLOSE) + A, (ok(b"aaaaa"),), stays=False),
    Case("1.1, nothing announced", request() + A, (ok(), NO_METHOD), stays=False, unlike=LONG),
    Case("1.1, nothing announced, to close", request(fields=CLOSE) + A, (ok(),), stays=False),
    Case("chunks", chunked(*[LINE] * 40), (Expected(413),), stays=False),
]

ERRORS = [
    Case("before the head, 1.0", request("/fail/before", version="1.0"), FAILED, stays=False),
    Case(
        "before the head, 1.1",
        request("/fail/before"),
        FAILED,
        stays=True,
        unlike="waitress closes; nothing is wrong with the connection",
    ),
    Case("before the head, 1.1, to close", request("/fail/before", fields=CLOSE), FAILED, stays=False),
    Case("after start_response, 1.0", request("/fail/after", version="1.0"), FAILED, stays=False),
    Case("after start_response, 1.1", request("/fail/after"), FAILED, stays=True, unlike="as above"),
    Case("after start_response, 1.1, to close", request("/fail/after", fields=CLOSE), FAILED, stays=False),
    Case("after a write()", request("/fail/written"), (ok(b"abc"),), stays=False, broken=True),
    Case("in a generator", request("/fail/generator"), (ok(b"abc"),), stays=False, broken=True),
]


def _files(version: str) -> list[Case]:
    stays = version == "1.1"
    unknown = CHUNKED if stays else TO_THE_END

    def get(target: str) -> bytes:
        return request(target, version=version)

    return [
        Case(f"{version}, a file, as promised", get("/file/real/0"), (ok(FILE),), stays),
        Case(f"{version}, a file, nothing promised", get("/file/real"), (ok(FILE),), stays),
        Case(f"{version}, a file, one byte promised", get("/file/real/one"), (ok(FILE[:1]),), stays),
        Case(
            f"{version}, a file, ten bytes more promised",
            get("/file/real/10"),
            FAILED,
            stays,
            unlike="waitress corrects the length; a promise is the application's, and this one was wrong",
        ),
        Case(f"{version}, no file, as promised", get("/file/reads/0"), (ok(FILE),), stays),
        Case(f"{version}, no file, unseekable", get("/file/unseekable/0"), (ok(FILE),), stays),
        Case(f"{version}, no file, nothing promised", get("/file/reads"), (ok(FILE, unknown),), stays),
        Case(f"{version}, no file, one byte promised", get("/file/reads/one"), (ok(FILE[:1]),), stays),
        Case(f"{version}, no file, ten bytes more promised", get("/file/reads/10"), (ok(FILE),), False, broken=True),
    ]


FILES = [*_files("1.1"), *_files("1.0")]
EVERYTHING = {"echo": ECHO, "promises": PROMISES, "too large": TOO_LARGE, "errors": ERRORS, "files": FILES}
