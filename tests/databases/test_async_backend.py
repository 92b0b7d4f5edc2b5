"""django-async-backend beside Django's own ORM: its connections are its requests', and none is left over.

It needs Django 6.1, so `make test-all` runs this on the Pythons that have it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import django
import pytest
from databases.conftest import filled
from databases.site import Site, of
from services.postgres import Postgres

pytestmark = pytest.mark.skipif(django.VERSION < (6, 1), reason="django-async-backend is for Django 6.1")

PACKAGE = "django-async-backend~=6.1.0"
APP = "django_async_backend"


@pytest.fixture(scope="module")
def site(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("packages")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*install, "--target", str(folder), PACKAGE], check=True)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    engine = {"ENGINE": f"{APP}.db.backends.postgresql"}
    return filled(Site(postgres, "natively", {"PROJECT_APPS": json.dumps([APP]), "PYTHONPATH": path}, engine))


@pytest.mark.parametrize("args", [(), ("--compat",)], ids=["native", "compat"])
def test_its_reads_and_djangos_leave_no_connection(site: Site, args: tuple[str, ...]) -> None:
    with site.serve(args, CONN_MAX_AGE=0) as served:
        for paths, connections in ((["/natively/"], 1), (["/natively/"] * 100, 10), (["/natively/?wait=0.1"] * 30, 30)):
            answers = served.get(*paths, connections=connections)
            assert set(map(len, of(answers, "read"))) == {10}
            assert set(of(answers, "django")) == {"record 1"}
            assert site.database.settled() == 0
        assert of(served.get("/user/", "/user/sync/"), "user") == ["ada", "ada"]
        assert site.database.settled() == 0


@pytest.mark.parametrize("args", [(), ("--compat",)], ids=["native", "compat"])
def test_its_transactions_are_apart(site: Site, args: tuple[str, ...]) -> None:
    with site.serve(args) as served:
        names = [f"of-{number:02}" for number in range(20)]
        answers = served.get(*[f"/natively/undone/?crowd=writers&together=20&name={name}" for name in names])
        assert of(answers, "seen") == [[name] for name in names]
        assert set(of(answers, "left")) == {0}
        assert site.database.settled() == 0
