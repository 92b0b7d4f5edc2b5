"""turnout.http in a Django project: settings, the lazy response, and what pytest gets."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from turnout import http


def run(program: str, *arguments: str, cwd: Path | None = None) -> str:
    """In a process of its own: Django's settings are one a process."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_lazy_response_carries_the_bytes_of_the_answers() -> None:
    run("""
        import django
        from django.conf import settings
        settings.configure(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"])
        django.setup()
        from django.http import HttpResponse
        from turnout import http

        value = http.Json.parse('{"price": 10.00, "id": 123456789012345678901}')
        response = http.LazyJsonResponse(value, 201, headers={"X-Own": "a"})
        assert isinstance(response, HttpResponse) and not response.streaming
        assert response.content == b'{"price": 10.00, "id": 123456789012345678901}'
        assert (response.status_code, response["Content-Type"], response["X-Own"]) == (201, "application/json", "a")
        assert response.data is value

        try:
            http.LazyJsonResponse({"price": 1})
        except TypeError as error:
            assert "JsonResponse" in str(error)
        else:
            raise AssertionError
    """)


def test_answers_are_merged_with_fallbacks_of_pythons() -> None:
    select = {"a": http.Select("/data", rename={"eur": "price"}), "b": http.Select("/data")}
    with http.mock() as m:
        m.get("http://a.example/").reply(content=b'{"data": [{"eur": 2.50}, {"eur": 1.00}]}')
        m.get("http://b.example/").fail(http.ConnectError)
        gathered = http.Client().gather(
            {name: http.Request("GET", f"http://{name}.example/") for name in select},
            decode="lazy",
            select=select,
            fallback={"b": [{"price": 2}]},
        )
    merged = gathered.merge(concat="offers", group_as="source", sort_by="/price", also={"whole": False})
    assert bytes(merged) == (
        b'{"offers":[{"source":"a","price":1.00},{"source":"b","price":2},{"source":"a","price":2.50}],"whole":false}'
    )
    assert bytes(gathered.merge()).startswith(b'{"a":[{"price":2.50},')


def test_a_project_without_django_needs_none() -> None:
    run("""
        import sys
        sys.modules["django"] = None
        from turnout import http
        with http.mock() as m:
            m.get("http://a.example/").reply(json=1)
            assert http.client.get("http://a.example/").json() == 1
        http.configure(upstreams={"a": {"base_url": "http://a.example"}})
        with http.mock() as m:
            m.get("http://a.example/x").reply(json=2)
            assert http.client.get("/x", upstream="a").json() == 2
    """)


def test_the_settings_of_a_project_make_the_ready_made_client() -> None:
    run("""
        from django.conf import settings
        settings.configure(TURNOUT={"HTTP": {"UPSTREAMS": {"a": {
            "base_url": "http://a.example/v1", "headers": {"X-Key": "k"},
            "retry": {"attempts": 2, "backoff": {"base": 0}},
        }}}})
        from turnout import http
        with http.mock() as m:
            m.get("http://a.example/v1/rates", headers={"X-Key": "k"}).reply(503).reply(json=[1])
            response = http.client.get("/rates", upstream="a")
            assert (response.json(), response.attempts) == ([1], 2)
        try:
            http.client.get("/rates", upstream="aa")
        except (LookupError, ValueError) as error:
            assert "aa" in str(error) and "a" in str(error)
        else:
            raise AssertionError
    """)


def test_a_mistake_in_the_settings_ends_the_start() -> None:
    run("""
        from django.conf import settings
        settings.configure(TURNOUT={"HTTP": {"UPSTREAMS": {"a": {"retrys": {}}}}})
        from django.core.exceptions import ImproperlyConfigured
        from turnout.django.declared import check
        try:
            check()
        except ImproperlyConfigured as error:
            assert "did you mean 'retry'" in str(error), error
        else:
            raise AssertionError("not refused")
    """)


def test_pytest_has_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
            import pytest
            from turnout import http

            def test_good(turnout_http_mock):
                turnout_http_mock.get("http://a.example/").reply(json=1)
                assert http.client.get("http://a.example/").json() == 1

            def test_unexpected(turnout_http_mock):
                with pytest.raises(http.LocalProtocolError):
                    http.client.get("http://a.example/")

            def test_idle(turnout_http_mock):
                turnout_http_mock.get("http://a.example/")
        """)
    )
    # As if installed, whether this checkout was or not.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "turnout.pytest_plugin", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=55)
    assert "3 passed, 2 errors" in done.stdout, done.stdout + done.stderr
    assert "meets no rule of http.mock()" in done.stdout
    assert "that no request met" in done.stdout
    assert 'turnout = "turnout.pytest_plugin"' in (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
