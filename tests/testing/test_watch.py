"""`turnout.testing.watch`: a project's tests hold the requests of a view against limits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from turnout.testing.limits import limit_of, statistic_of

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guide/testing.md"

#: The project of the guide's example. Its views wait and compute in known ways.
PROJECT = {
    "mysite/__init__.py": "",
    "mysite/settings.py": """
        SECRET_KEY = "not secret"
        ROOT_URLCONF = "mysite.urls"
        ALLOWED_HOSTS = ["*"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "kept.sqlite3"}}
        USE_TZ = True
    """,
    "mysite/asgi.py": """
        import os
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
        from django.core.asgi import get_asgi_application
        application = get_asgi_application()
    """,
    "mysite/urls.py": """
        from django.urls import path
        from hotels import views
        urlpatterns = [
            path("search/", views.search),
            path("offers/", views.Offers.as_view()),
            path("slow/", views.slow),
            path("streamed/", views.streamed),
            path("broken/", views.broken),
        ]
    """,
    "hotels/__init__.py": "",
    "hotels/views.py": """
        import asyncio
        import select
        from django.db import connection
        from django.http import HttpResponse, StreamingHttpResponse
        from django.views import View

        def ask(times):
            with connection.cursor() as cursor:
                for _ in range(times):
                    cursor.execute("SELECT 1")

        def search(request):
            ask(3)
            return HttpResponse("found")

        class Offers(View):
            def get(self, request):
                return HttpResponse("offers")

        def slow(request):
            select.poll().poll(50)
            ask(2)
            return HttpResponse("slow")

        async def streamed(request):
            async def pieces():
                yield b"a"
                await asyncio.sleep(0.05)
                yield b"b"
            return StreamingHttpResponse(pieces())

        def broken(request):
            raise RuntimeError("as it should")
    """,
    "conftest.py": """
        from urllib.error import HTTPError
        from urllib.request import urlopen
        import pytest
        from mysite.asgi import application
        from turnout.testing import LiveServer

        @pytest.fixture(scope="module")
        def server():
            with LiveServer(application, threads=4) as live:
                yield live

        @pytest.fixture
        def get(server):
            def get(path):
                try:
                    with urlopen(server.url + path) as answer:
                        return answer.read()
                except HTTPError as error:
                    return error.read()
            return get
    """,
}


def unindented(text: str) -> str:
    lines = text.strip("\n").splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[indent:] for line in lines) + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(unindented(text))
    return tmp_path


def run_tests(project: Path, tests: str) -> tuple[int, str]:
    """In a process of its own: Django's settings are one a process, and so are turnout's figures."""
    (project / "test_it.py").write_text(unindented(tests))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project), "test_it.py"]
    done = subprocess.run(
        command,
        cwd=project,
        env={**environment, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=55,
    )
    return done.returncode, done.stdout + done.stderr


def passes(project: Path, tests: str) -> None:
    status, told = run_tests(project, tests)
    assert status == 0, told


def first_example(document: Path, heading: str) -> str:
    """The first indented code under a heading."""
    section = document.read_text().partition(f"\n## {heading}\n")[2]
    found = re.search(r"(?:^    .*\n|^\n)*^    .*\n", section, flags=re.MULTILINE)
    assert found is not None
    return found[0]


def test_the_guide_s_example_passes(project):
    example = first_example(GUIDE, "Limits for views")
    assert example.count("p95=0.5") == example.count("p95_wait_cpu=0.2") == 1
    # This machine may be busy.
    passes(project, example.replace("p95=0.5", "p95=20").replace("p95_wait_cpu=0.2", "p95_wait_cpu=20"))


def test_a_view_within_its_limits_passes(project):
    passes(
        project,
        """
        from hotels.views import Offers, search
        from turnout.testing import watch

        def test_limits(get):
            with watch() as views:
                for _ in range(4):
                    get("/search/")
                get("/offers/")
            views.assert_view("hotels.views.search", p95=20, mean=20, p50=20, max=20, max_wait_io=20, wait_cpu=20)
            views.assert_view("hotels.views.search", p95_db=20, io_share=1, processing_share=1, wait_cpu_share=1.0,
                              max_calls={"db": 3, "http": 0})
            views.assert_view(search, processing=20)
            views.assert_view(Offers, p99=20)
            views.assert_view("hotels.views.Offers", max_calls={"db": 0})

        def test_one_by_one(get, turnout_views):
            get("/slow/")
            [one] = turnout_views.requests()
            assert (one.view, one.status, one.calls, one.failed) == ("hotels.views.slow", 200, {"db": 2}, False)
            assert one.times.waiting_for_io >= 0.0495
            assert one.waits["db"] <= one.times.wall
            assert turnout_views.requests(search) == []

        def test_a_stream_is_seen_once_it_has_ended(get):
            with watch() as views:
                get("/streamed/")
                [one] = views.requests("hotels.views.streamed")
            assert one.times.waiting_for_io >= 0.0495

        def test_only_what_came_meanwhile(get):
            get("/slow/")
            with watch() as views:
                with watch() as inner:
                    get("/search/")
                get("/offers/")
            get("/slow/")
            assert [one.view for one in views.requests()] == ["hotels.views.search", "hotels.views.Offers"]
            assert [one.view for one in inner.requests()] == ["hotels.views.search"]
        """,
    )


def failure(project: Path, call: str, *, before: str = "", error: str = "AssertionError") -> str:
    """The message of the error that `call`, made on watched requests, fails with."""
    passes(
        project,
        f"""
        import pytest
        from pathlib import Path
        from turnout.testing import LiveServer, watch

        def test_it(get):
            with watch() as views:
                {before or "pass"}
            with pytest.raises({error}) as caught:
                views.{call}
            Path("said").write_text(str(caught.value))
        """,
    )
    return (project / "said").read_text()


def test_a_view_over_its_limits_tells_what_was_measured_and_the_states(project):
    call = 'assert_view("hotels.views.slow", p95=0.04, processing=20, io_share=0.1, max_calls={"db": 1, "http": 0})'
    said = failure(project, call, before='get("/slow/"), get("/slow/")').splitlines()
    assert said[0] == "hotels.views.slow is over 3 of its 5 limits in 2 requests:"
    rows = [re.split(r"  +", line.strip()) for line in said[2:]]
    judged = {row[0]: row[1:] for row in rows if row[0]}
    assert judged["limit"] == ["measured", "allowed"]
    assert (judged["p95"][1:], float(judged["p95"][0].removesuffix(" ms")) >= 49.5) == (["40.00 ms", "over"], True)
    assert judged["processing"][1:] == ["20000.00 ms"]
    assert judged["io_share"][1:] == ["10.0%", "over"]
    assert judged['max_calls["db"]'] == ["2", "1", "over"]
    assert judged['max_calls["http"]'] == ["0", "0"]
    assert judged["where the time went"] == ["p50", "p95", "max", "share"]
    assert judged["whole time"][3] == "100.0%"
    assert float(judged["Waiting for I/O"][0].removesuffix(" ms")) >= 49.5
    assert {"Processing", "Waiting for CPU", "calls: db"} <= judged.keys()
    assert "calls: http" not in judged


def test_a_request_that_failed_is_over_the_limit_unless_that_is_allowed(project):
    said = failure(project, 'assert_view("hotels.views.broken", p95=20)', before='get("/broken/")')
    assert re.search(r"max_failed +1 +0 +over", said), said
    passes(
        project,
        """
        def test_it(get, turnout_views):
            get("/broken/")
            turnout_views.assert_view("hotels.views.broken", p95=20, max_failed=1)
        """,
    )


def test_a_view_that_was_not_requested_is_told_those_that_were(project):
    said = failure(project, 'assert_view("hotels.view.search", p95=1)', before='get("/search/"), get("/offers/")')
    assert said.startswith("hotels.view.search was not requested. Did you mean hotels.views.search? Views that were")
    assert "\n  hotels.views.search (1)" in said


def test_django_s_test_client_is_told_that_nobody_sees_it(project):
    before = '__import__("django.test").test.Client().get("/search/")'
    said = failure(project, 'assert_view("hotels.views.search", p95=1)', before=before)
    assert "nor was any other view" in said
    assert "Django's test client calls views without a server" in said


def test_where_nothing_is_accounted_for_that_is_said(project):
    passes(
        project,
        """
        import pytest
        from turnout.testing import LiveServer, watch
        from mysite.asgi import application
        from urllib.request import urlopen

        def test_it():
            with watch() as views, LiveServer(application, accounting="off") as server:
                urlopen(server.url + "/search/").close()
                with pytest.raises(RuntimeError, match="without accounting='off'"):
                    views.assert_view("hotels.views.search", p95=1)
        """,
    )


def test_a_request_that_does_not_end_is_not_waited_for_for_ever(project):
    passes(
        project,
        """
        import socket
        import pytest
        from turnout.testing import watch

        def test_it(server):
            with watch(patience=0.01) as views:
                with socket.create_connection(("127.0.0.1", server.port)) as client:
                    client.sendall(b"GET /streamed/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                    client.recv(1)
                    with pytest.raises(AssertionError, match="not ended after 0.01 s: 1"):
                        views.requests()
        """,
    )


@pytest.mark.parametrize(
    ("name", "most", "error", "said"),
    [
        ("p95_wait_cpus", 1, TypeError, "no limit is named 'p95_wait_cpus': did you mean p95_wait_cpu?"),
        ("proccessing", 1, TypeError, "did you mean processing?"),
        ("io_shares", 1, TypeError, "did you mean io_share?"),
        ("maxcalls", 1, TypeError, "did you mean max_calls?"),
        ("p0", 1, TypeError, "no limit is named 'p0'"),
        ("p100_db", 1, TypeError, "no limit is named 'p100_db'"),
        ("zzz", 1, TypeError, "a limit is max, mean, p50, p90, p95, p99, alone or before one of these: processing,"),
        ("p95", "5 ms", TypeError, "p95 must be a number of seconds, not '5 ms'"),
        ("io_share", None, TypeError, "io_share must be a number from 0 to 1, not None"),
        ("p95", -1, ValueError, "p95 must not be negative: -1"),
        ("p95", float("nan"), ValueError, "p95 must not be negative: nan"),
        ("io_share", 60, ValueError, "io_share is a part of the whole time, from 0 to 1: 60"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(name, most, error, said):
    with pytest.raises(error) as caught:
        limit_of(name, most)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('assert_view("a", max_calls={"sql": 1})', "max_calls has no kind 'sql': there are db, http, cache"),
        ('assert_view("a", max_calls={"db": 1.5})', "max_calls['db'] must be a number of them, not 1.5"),
        ('assert_view("a", max_failed=True)', "max_failed must be a number of them, not True"),
    ],
)
def test_so_is_a_count(project, call, said):
    assert said in failure(project, call, error="TypeError")


@pytest.mark.parametrize(
    ("name", "value"), [("p50", 5.0), ("p95", 10.0), ("p90", 9.0), ("p1", 1.0), ("max", 10.0), ("mean", 5.5)]
)
def test_a_percentile_is_a_time_that_was_measured(name, value):
    assert statistic_of(name, [float(number) for number in range(10, 0, -1)]) == value
