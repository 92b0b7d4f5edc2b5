"""Whatever an app does: one 500 or a closed connection, a log line, and neighbours that notice nothing."""

import http.client
import threading
from pathlib import Path

import pytest
from harness import serve

PROJECTS = Path(__file__).parents[1] / "projects" / "misbehaving"

# misdeed -> what its client sees: a status, "closed" (the connection ends before a whole answer) or either
MISDEEDS = {
    "status/0": {500},
    "status/99": {500},
    "status/1000": {500},
    "status/abc": {500},
    "header/crlf": {500},
    "header/nul": {500},
    "header/name": {500},
    "length/short": {500, "closed"},
    "length/long": {500, "closed"},
    "raise": {500},
    "raise-midway": {"closed"},
    "no-response": {500},
    "sys-exit": {500},
    "memory": {500},
}
DEATHS = ["os-exit", "sigsegv", "sigkill"]

# Where an interface has a rule of its own. PEP 3333: no more bytes are sent than Content-Length allows.
EXCEPTIONS = {("wsgi", "length/short"): {200}}

APPS = {
    "asgi": (["asgi_app:app"], PROJECTS, ""),
    "wsgi": (["wsgi_app:app"], PROJECTS, ""),
    "django-asgi-async": (["site_.asgi:application"], PROJECTS / "django_site", "async/"),
    "django-asgi-sync": (["site_.asgi:application"], PROJECTS / "django_site", "sync/"),
    "django-wsgi-sync": (["site_.wsgi:application"], PROJECTS / "django_site", "sync/"),
    "django-wsgi-async": (["site_.wsgi:application"], PROJECTS / "django_site", "async/"),
}


@pytest.fixture(scope="module", params=APPS)
def app(request):
    arguments, folder, prefix = APPS[request.param]
    with serve(arguments, cwd=folder) as server:
        yield server, "/" + prefix


def get(server, path, timeout=20):
    """Status and body, or "closed" when no whole answer came."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (http.client.HTTPException, ConnectionError):
        return "closed", b""
    finally:
        connection.close()


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_misdeed_costs_one_request_and_leaves_a_log_line(app, misdeed, request):
    server, prefix = app
    expected = EXCEPTIONS.get((request.node.callspec.params["app"], misdeed), MISDEEDS[misdeed])
    before = len(server.log)
    neighbour = {}
    thread = threading.Thread(target=lambda: neighbour.update(answer=get(server, prefix + "slow")))
    thread.start()
    outcome, body = get(server, prefix + misdeed)
    thread.join()
    assert outcome in expected, body
    assert b"told to" not in body, "a traceback is not for clients"
    assert neighbour["answer"] == (200, b"fine")
    assert get(server, prefix + "fine") == (200, b"fine")
    assert len(server.log) > before, "nothing was logged"


def test_a_body_on_204_is_not_sent(app):
    server, prefix = app
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    connection.request("GET", prefix + "body/204")
    response = connection.getresponse()
    assert (response.status, response.read()) == (204, b"")
    # Were the body sent all the same, it would stand where the next answer begins.
    connection.request("GET", prefix + "fine")
    assert connection.getresponse().read() == b"fine"
    connection.close()


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("name", ["asgi", "wsgi", "django-asgi-async", "django-wsgi-sync"])
def test_a_worker_that_dies_is_replaced_while_the_other_goes_on(name, death):
    arguments, folder, prefix = APPS[name]
    with serve([*arguments, "--workers", "2"], cwd=folder) as server:
        victims = set()
        for _ in range(2):
            outcome, _ = get(server, f"/{prefix}{death}")
            assert outcome == "closed"
            for _ in range(20):
                status, body = get(server, f"/{prefix}pid")
                assert status == 200
                victims.add(body)
        assert len(victims) >= 2
