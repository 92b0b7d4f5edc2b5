"""A site that answers otherwise on purpose where it runs in turnout; its requests, compared, as JSON on the output."""

import json
import logging
import secrets
import sys
import traceback

import django
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpResponse
from django.urls import path

log = logging.getLogger("differing")


def ours():
    return any("/turnout/django/" in frame.filename for frame in traceback.extract_stack())


def same(request):
    log.warning("seen")
    return HttpResponse(f"the same, on {'a' if request.GET else 'no'} query")


def status(request):
    return HttpResponse("x", status=202 if ours() else 200)


def header(request):
    # One more of the same name is another answer too.
    response = HttpResponse("x")
    response["X-One"] = "2" if ours() else "1"
    return response


def cookie(request):
    response = HttpResponse("x")
    response.set_cookie("a", "2" if ours() else "1")
    return response


def body(request):
    return HttpResponse(b"\xff\x01" if ours() else b"\xff\x00")


def signal(request):
    if ours():
        got_request_exception.send(sender=None, request=request)
    return HttpResponse("x")


def record(request):
    log.warning("seen on a %s", "turnout" if ours() else "Django")
    return HttpResponse("x")


def query(request):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 2" if ours() else "SELECT 1")
    return HttpResponse("x")


def chance(request):
    return HttpResponse(secrets.token_hex())


def token(request):
    response = HttpResponse("x")
    response.set_cookie("csrftoken", secrets.token_hex(16))
    return response


VIEWS = (same, status, header, cookie, body, signal, record, query, chance, token)
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


def main():
    settings.configure(
        SECRET_KEY="x",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()
    import turnout_differential
    from django.test import Client

    django.test.client.ClientHandler = turnout_differential.ClientHandler
    for view in VIEWS:
        turnout_differential.FOUND.test = view.__name__
        Client().get(f"/{view.__name__}/")
    Client().post("/same/")
    json.dump(turnout_differential.FOUND.as_json(), sys.stdout)


if __name__ == "__main__":
    main()
