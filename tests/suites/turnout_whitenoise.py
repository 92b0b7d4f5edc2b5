"""A pytest plugin for whitenoise's own tests, whose archive lacks their helpers: files, settings, and a server.

The server is turnout's, on a socket. TURNOUT_SUITE_MODE says how it serves the project: "async", every request on the
async track; "sync", on the sync track; "hybrid", behind a wrapper of Django's handler, as tracers put one there.
TURNOUT_SUITE_RESULT names the file that tells how each test ended and what was used.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from asgiref.sync import iscoroutinefunction
from turnout_ended import Ended

MODE = os.environ.get("TURNOUT_SUITE_MODE", "sync")
PREFIX = "subdir"
ENDED = Ended()

CONTENT = {
    "assets/compressed.css": b".compressed {}\n" * 100,
    "assets/custom-mime.foobar": b"custom",
    "assets/subdir/javascript.js": b"this is some javascript for the tests\n",
    "assets/with-index/index.html": b"<p>index of assets</p>\n",
    "root/robots.txt": b"Disallow: /\n",
    "static/app.js": b"this is the app;\n" * 20,
    "static/directory/pixel.gif": b"GIF89a",
    "static/large-file.txt": b"ten chars\n" * 20_000,
    "static/nonascii\u2713.txt": b"hi",
    "static/styles.css": b"@import url('directory/pixel.gif');\n" * 20,
    "static/with-index/index.html": b"<p>index of static</p>\n",
}


def pytest_configure(config: Any) -> None:
    import gzip

    import django
    from django.conf import settings

    folder = Path(tempfile.mkdtemp(prefix="turnout-whitenoise-"))
    for name, content in {
        **CONTENT,
        "assets/compressed.css.gz": gzip.compress(CONTENT["assets/compressed.css"]),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    Files.folder = folder
    helpers = types.ModuleType("tests.utils")
    helpers.AppServer, helpers.Files = AppServer, Files
    package = types.ModuleType("tests")
    package.__path__ = [str(Path.cwd() / "tests")]
    sys.modules |= {"tests": package, "tests.utils": helpers}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        FORCE_SCRIPT_NAME=f"/{PREFIX}",
        INSTALLED_APPS=["whitenoise.runserver_nostatic", "django.contrib.staticfiles"],
        MIDDLEWARE=["turnout_whitenoise.counted", "whitenoise.middleware.WhiteNoiseMiddleware"],
        ROOT_URLCONF="turnout_whitenoise",
        SECRET_KEY="not a secret",
        STATIC_ROOT=str(folder / "collected"),
        STATIC_URL=f"/{PREFIX}/static/",
        STORAGES={"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}},
        USE_TZ=True,
    )
    django.setup()
    config.pluginmanager.register(ENDED)


urlpatterns: list[Any] = []


def counted(get_response: Any) -> Any:
    """A middleware of either kind that notes which chain a response went through, and takes no thread for it."""
    if not iscoroutinefunction(get_response):

        def middleware(request: Any) -> Any:
            ENDED.used["sync chain"] += 1
            return get_response(request)

        return middleware

    async def async_middleware(request: Any) -> Any:
        ENDED.used["async chain"] += 1
        return await get_response(request)

    return async_middleware


counted.sync_capable = counted.async_capable = True


class Files:
    """Some files of a folder: their paths, URLs and contents as attributes."""

    folder = Path()

    def __init__(self, directory: str, **files: str) -> None:
        self.directory = str(self.folder / directory)
        for name, path in files.items():
            setattr(self, f"{name}_path", path)
            setattr(self, f"{name}_url", f"/{PREFIX}/{path}")
            setattr(self, f"{name}_content", Path(self.directory, path).read_bytes())


class AppServer:
    """An application on a socket, below a prefix."""

    PREFIX = PREFIX

    def __init__(self, application: Any) -> None:
        from django.core.handlers.wsgi import WSGIHandler

        from turnout.testing import LiveServer

        self._stack = ExitStack()
        # Django's URLs have the prefix by FORCE_SCRIPT_NAME.
        if isinstance(application, WSGIHandler):
            application = self._as_the_mode_wants(application)
        server = LiveServer(application, root_path=f"/{PREFIX}", root_path_kept=True, threads=4)
        self._url = self._stack.enter_context(server).url

    def _as_the_mode_wants(self, application: Any) -> Any:
        from django.core.handlers.asgi import ASGIHandler

        from turnout.django.decisions import Decisions
        from turnout.django.routes import ASYNC

        if MODE == "sync":
            return application
        if MODE == "hybrid":
            shipped = ASGIHandler.__call__

            async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> None:
                ENDED.used["stepped"] += 1
                await shipped(self, scope, receive, send)

            self._stack.enter_context(mock.patch.object(ASGIHandler, "__call__", __call__))
        else:
            self._stack.enter_context(mock.patch.object(Decisions, "routes", return_value=[("", ASYNC)]))
        return ASGIHandler()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("get", path, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self._url + path, timeout=30, **options)

    def close(self) -> None:
        self._stack.close()
