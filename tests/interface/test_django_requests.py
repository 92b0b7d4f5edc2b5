"""The request a view gets is the one Django would have made, whoever made its META."""

import http.client
import json
from pathlib import Path

import pytest
from harness import serve

SITE = Path(__file__).parents[1] / "projects" / "requests_site"
CLASSES = {
    "asgi": "django.core.handlers.asgi.ASGIRequest",
    "wsgi": "django.core.handlers.wsgi.WSGIRequest",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module", params=CLASSES)
def server(request):
    with serve([f"shown.{request.param}:application"], cwd=SITE) as server:
        yield server, CLASSES[request.param]


REQUESTS = {
    "plain": ("GET", "a", {}, None),
    "query": ("GET", "a?x=%20%C3%A4&y=1&y=2&z", {}, None),
    "path": ("GET", "%C3%A4/%2F/b%20c", {}, None),
    "headers": ("GET", "a", {"X-A-b": "1", "Accept": "text/html;q=0.5", "User-Agent": "t\xe4st"}, None),
    "cookies": ("GET", "a", {"Cookie": 'a=1; b="two"; c=%20'}, None),
    "type": ("POST", "a", {"Content-Type": "text/plain; charset=latin-1"}, b"\xe4"),
    "form": ("POST", "a", FORM, b"name=Marta&city=K%C3%B6ln"),
    "json": ("PUT", "a", {"Content-Type": "application/json"}, b"{}"),
    "odd method": ("PROPFIND", "a", {}, None),
    "large": ("POST", "a", {"Content-Type": "application/octet-stream"}, b"x" * 1_000_000),
}


@pytest.mark.parametrize("track", ["sync", "async"])
@pytest.mark.parametrize("name", REQUESTS)
def test_it_is_the_request_django_makes(server, track, name):
    server, request_class = server
    method, path, headers, body = REQUESTS[name]
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request(method, f"/{track}/{path}", body=body, headers=headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert answer["class"] == request_class
    assert answer["different"] == []
    assert answer["meta"] == {}
    assert answer["attributes"] == []
    assert answer["body"] == len(body or b"")
    assert answer["post"] == ({"name": "Marta", "city": "Köln"} if name == "form" else {})
    assert answer["uri"].startswith(f"http://127.0.0.1:{server.port}/{track}/")


@pytest.mark.parametrize("track", ["sync", "async"])
def test_a_chunked_form_is_read(server, track):
    server, _ = server
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    pieces = iter([b"name=Mar", b"ta"])
    connection.request("POST", f"/{track}/a", body=pieces, headers=FORM, encode_chunked=True)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["post"] == {"name": "Marta"}


@pytest.mark.parametrize("track", ["sync", "async"])
@pytest.mark.parametrize("kind", ["whole", "stream", "file"])
def test_the_words_of_a_status_are_the_projects(server, track, kind):
    server, _ = server
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    connection.request("GET", f"/worded/{track}/{kind}")
    response = connection.getresponse()
    assert (response.status, response.reason) == (418, "Short and stout")
    assert b"words" in response.read()
    connection.close()
