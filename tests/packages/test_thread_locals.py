"""Packages that know whose request it is, in a `threading.local` or elsewhere: never somebody else's, on any thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from crowd import ask_all
from harness import serve

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "packages"
USERS = [f"user{n}" for n in range(12)]
# What is asked of the package's own tables afterwards: the user of each request, as it was written down.
RECORDS = {
    "easyaudit": "SELECT u.username FROM easyaudit_crudevent e JOIN auth_user u ON u.id = e.user_id "
    "WHERE e.object_json_repr LIKE '%' || u.username || '\"%'",
    "reversion": "SELECT u.username FROM reversion_revision r JOIN auth_user u ON u.id = r.user_id "
    "JOIN reversion_version v ON v.revision_id = r.id WHERE v.serialized_data LIKE '%' || u.username || '\"%'",
    "silk": "SELECT query_params::json ->> 'user' FROM silk_request",
}
FILL = f"""
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0, run_syncdb=True)
User.objects.bulk_create(User(username=name) for name in {USERS})
"""


@pytest.fixture
def env(postgres, package, sharing):
    """For a project with that package, and a database of its own, filled."""
    name = f"{package}_{sharing}"
    postgres.create_database(name)
    database = json.dumps(postgres.django(name))
    env = {**os.environ, "PROJECT_PACKAGE": package, "PROJECT_DATABASE": database}
    env["DJANGO_SETTINGS_MODULE"] = "audited.settings"
    command = [sys.executable, "-c", FILL]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return env


@pytest.mark.parametrize("package", ["own", "structlog", "easyaudit", "crum", "reversion", "silk"])
@pytest.mark.parametrize("sharing", ["shared", "exclusive"])
def test_every_request_knows_its_own_user(postgres, env, package, sharing):
    # A request behind a sync-only middleware holds a thread, which does not count while it waits.
    holds = package in ("crum", "reversion", "silk")
    cap = 2 if sharing == "shared" or holds else len(USERS)
    args = ["audited.asgi:application", "--exclusive-threads", str(cap), "--thread-sharing", sharing]
    with serve(args, cwd=PROJECT, env=env) as server:
        paths = [f"/who/?user={user}&together={len(USERS)}" for user in USERS]
        method = "POST" if package == "reversion" else "GET"
        answers = ask_all(server.url, paths, method=method)
        assert [answer.status for answer in answers] == [200] * len(USERS), server.log
        assert [json.loads(answer.body)["who"] for answer in answers] == [[user, user] for user in USERS]
        threads = max(json.loads(answer.body)["threads"] for answer in answers)
        assert threads == len(USERS) if holds or sharing == "exclusive" else threads <= 2
    if package in RECORDS:
        with psycopg.connect(
            host=postgres.host, port=postgres.port, user=postgres.user, dbname=f"{package}_{sharing}"
        ) as connection:
            assert sorted(row[0] for row in connection.execute(RECORDS[package])) == sorted(USERS)
