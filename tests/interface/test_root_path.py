"""`--root-path`: what a project sees below a prefix that a proxy takes off, or passes on."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from harness import run, serve
from wire import get

SITE = Path(__file__).parents[1] / "projects" / "requests_site"
APPS = """
import json

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    seen = {"root": scope["root_path"], "path": scope["path"], "raw": scope["raw_path"].decode()}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

def wsgi(environ, start_response):
    start_response("200 OK", [])
    root, path = (environ[name].encode("latin-1").decode() for name in ("SCRIPT_NAME", "PATH_INFO"))
    return [json.dumps({"root": root, "path": path, "raw": environ["RAW_URI"]}).encode()]
"""
WAYS = {"taken off": ([], ""), "kept": (["--root-path-kept"], "/shop")}


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def entry(request):
    return request.param


@pytest.fixture(scope="module", params=WAYS)
def project(request, entry):
    options, sent = WAYS[request.param]
    with serve([f"shown.{entry}:application", "--root-path", "/shop", *options], cwd=SITE) as server:
        yield server, sent


@pytest.mark.parametrize("track", ["sync", "async"])
def test_a_project_sees_what_django_makes_of_its_prefix(project, track):
    server, sent = project
    answer = json.loads(get(server.url, f"{sent}/{track}/a%20b").body)
    assert (answer["different"], answer["meta"], answer["attributes"]) == ([], {}, [])
    assert answer["path"] == f"/shop/{track}/a b"
    assert answer["path_info"] == f"/{track}/a b"
    assert (answer["script_name"], answer["prefix"]) == ("/shop", "/shop/")
    assert answer["reversed"] == "/shop/reversed/"
    assert answer["uri"] == f"{server.url}/shop/{track}/a%20b"
    # Its track is found below the prefix.
    assert answer["thread"].startswith({"sync": "turnout-sync", "async": "MainThread"}[track])


def test_the_prefix_of_one_request_is_not_left_to_the_next(project):
    server, sent = project
    for _ in range(3):
        for track in ("sync", "async"):
            assert json.loads(get(server.url, f"{sent}/{track}/a").body)["reversed"] == "/shop/reversed/"


@pytest.mark.parametrize("options", [[], ["--root-path", "/forced"]])
def test_force_script_name_is_djangos_business(entry, options):
    """A WSGI request keeps its path and only says the prefix; an ASGI request takes it off its path."""
    with serve([f"shown.{entry}:application", *options], cwd=SITE, env={"FORCED": "/forced"}) as server:
        for track in ("sync", "async"):
            for sent in ["", "/forced"] if (entry, options) == ("asgi", []) else [""]:
                answer = json.loads(get(server.url, f"{sent}/{track}/a").body)
                assert (answer["different"], answer["meta"]) == ([], {})
                assert (answer["path_info"], answer["script_name"]) == (f"/{track}/a", "/forced")
                assert answer["reversed"] == "/forced/reversed/"
                assert answer["thread"].startswith({"sync": "turnout-sync", "async": "MainThread"}[track])


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apps")
    (folder / "apps.py").write_text(APPS)
    return folder


@pytest.mark.parametrize("prefix", ["/shop", "/a/b c", "/k\xf6ln"])
def test_plain_applications_are_told_where_they_live(apps, entry, prefix):
    with serve([f"apps:{entry}", "--root-path", f"{prefix}/"], cwd=apps) as server:
        seen = json.loads(get(server.url, "/x%2Fy").body)
        path = "/x/y" if entry == "wsgi" else f"{prefix}/x/y"
        assert seen == {"root": prefix, "path": path, "raw": "/x%2Fy"}
    with serve([f"apps:{entry}", "--root-path", prefix, "--root-path-kept"], cwd=apps) as server:
        for below in ("/x", "/", ""):
            sent = quote(prefix) + below
            path = below if entry == "wsgi" else prefix + below
            assert json.loads(get(server.url, sent).body) == {"root": prefix, "path": path, "raw": sent}
        for foreign in ("/", "/x", f"{quote(prefix)}ping", quote(prefix).upper()):
            assert get(server.url, foreign).status == 404


@pytest.mark.parametrize("prefix", ["shop", "/shop//a", "/shop/../a", "/a%20b", "/a?b"])
def test_what_is_no_prefix_is_refused(apps, prefix):
    refused = run(["serve", "apps:asgi", "--root-path", prefix], cwd=apps)
    assert refused.returncode == 2
    assert "--root-path" in refused.stderr
