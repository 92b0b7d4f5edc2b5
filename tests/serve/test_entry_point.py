"""Which application of a Django project is served, and so which request class its views see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import run, serve
from wire import get

SETTINGS = """
SECRET_KEY = "x"
ROOT_URLCONF = "mysite.urls"
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = []
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}, "replica": {"ENGINE": "django.db.backends.mysql"}}
USE_TZ = True
"""
WSGI = 'WSGI_APPLICATION = "mysite.wsgi.application"\n'
ENTRY = """
import os
from django.core.{kind} import get_{kind}_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_{kind}_application()
"""
URLS = """
from django.http import JsonResponse
from django.urls import include, path

def facts(request):
    return {{"class": type(request).__name__}}

def sync_view(request):
    return JsonResponse(facts(request))

async def async_view(request):
    return JsonResponse(facts(request))

urlpatterns = [path("sync", sync_view), path("nested/", include([{nested}]))]
"""
MANAGE = """
import os
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')
"""


def make_project(
    folder: Path, *, settings: str = WSGI, nested: str = "", entries: tuple[str, ...] = ("asgi", "wsgi")
) -> Path:
    package = folder / "mysite"
    package.mkdir()
    (folder / "manage.py").write_text(MANAGE)
    (package / "__init__.py").write_text("")
    (package / "settings.py").write_text(SETTINGS + settings)
    (package / "urls.py").write_text(URLS.format(nested=nested))
    for kind in entries:
        (package / f"{kind}.py").write_text(ENTRY.format(kind=kind))
    return folder


def request_class(server, path: str = "/sync") -> str:
    return json.loads(get(server.url, path).body)["class"]


def test_a_sync_project_gets_wsgi_requests(tmp_path: Path) -> None:
    with serve(cwd=make_project(tmp_path)) as server:
        assert request_class(server) == "WSGIRequest"
        log = server.log
    assert "turnout 0.1.0 serves mysite (Django " in log
    assert "WSGIRequest from mysite.wsgi:application: no view or middleware is async" in log
    assert "1 sync, 0 async" in log
    assert "default (postgresql): up to 136 connections" in log
    assert "replica (mysql): up to 136 connections" in log


def test_one_async_view_anywhere_makes_it_asgi(tmp_path: Path) -> None:
    project = make_project(tmp_path, nested='path("async", async_view)')
    with serve(["--threads", "10", "--exclusive-threads", "5", "--workers", "2"], cwd=project) as server:
        assert request_class(server) == request_class(server, "/nested/async") == "ASGIRequest"
        log = " ".join(server.log.split())
    assert "ASGIRequest from mysite.asgi:application: view mysite.urls.async_view is async" in log
    assert "default (postgresql): up to 23 connections, 46 with 2 workers" in log


def test_an_async_view_without_an_asgi_module_is_served_all_the_same(tmp_path: Path) -> None:
    project = make_project(tmp_path, nested='path("async", async_view)', entries=("wsgi",))
    with serve(cwd=project) as server:
        assert request_class(server, "/nested/async") == "ASGIRequest"


def test_asgi_application_decides(tmp_path: Path) -> None:
    project = make_project(tmp_path, settings=WSGI + 'ASGI_APPLICATION = "mysite.asgi.application"\n')
    with serve(cwd=project) as server:
        assert request_class(server) == "ASGIRequest"
        assert "ASGI_APPLICATION is set" in server.log


def test_a_settings_file_without_either_is_enough(tmp_path: Path) -> None:
    with serve(cwd=make_project(tmp_path, settings="", entries=())) as server:
        assert request_class(server) == "WSGIRequest"


def test_the_project_is_found_from_a_folder_below(tmp_path: Path) -> None:
    below = make_project(tmp_path) / "deep" / "er"
    below.mkdir(parents=True)
    with serve(cwd=below) as server:
        assert request_class(server) == "WSGIRequest"


def test_an_application_that_is_named_decides_itself(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with serve(["mysite.asgi:application"], cwd=project) as server:
        assert request_class(server) == "ASGIRequest"
        assert "mysite.asgi:application is a ASGIHandler" in server.log
    with serve(["mysite.wsgi"], cwd=project) as server:
        assert request_class(server) == "WSGIRequest"


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_an_interface_that_is_named_serves_the_handler_as_a_plain_application(tmp_path: Path, kind: str) -> None:
    with serve(["--interface", kind], cwd=make_project(tmp_path)) as server:
        assert request_class(server) == f"{kind.upper()}Request"


def test_broken_settings_show_the_project_s_traceback_and_one_line(tmp_path: Path) -> None:
    project = make_project(tmp_path, settings='import os\nos.environ["NOT_THERE"]\n')
    ended = run(["serve", "--bind", "127.0.0.1:0"], cwd=project)
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert "mysite/settings.py" in ended.stderr
    assert "turnout/project.py" not in ended.stderr
    assert lines[-1] == "turnout: loading mysite.settings failed with KeyError: 'NOT_THERE'"


def test_settings_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    ended = run(
        ["serve", "--bind", "127.0.0.1:0"], cwd=make_project(tmp_path), env={"DJANGO_SETTINGS_MODULE": "other.settings"}
    )
    assert ended.returncode == 1
    assert ended.stderr == "turnout: no module named other.settings, which DJANGO_SETTINGS_MODULE names\n"


def test_a_broken_urlconf_is_found_at_the_start(tmp_path: Path) -> None:
    project = make_project(tmp_path, nested='path("x", no_such_view)')
    ended = run(["serve", "--bind", "127.0.0.1:0"], cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "turnout: loading the URLconf failed with NameError: name 'no_such_view' is not defined"
    )
