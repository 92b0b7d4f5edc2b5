"""Middleware that a project declares non-blocking, rightly or not, and what a declared hook may be asked to do."""

import contextlib
import functools
import importlib
import linecache
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path

from asgiref.sync import sync_to_async
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

from tracks_site import views
from tracks_site.middleware import Acting, Noting, Tokens, note
from turnout.django import non_blocking


@non_blocking
class Whole(Noting):
    """All three hooks."""


class ByMethods(MiddlewareMixin):
    @non_blocking
    def process_request(self, request):
        note("request")

    @non_blocking
    def process_view(self, request, callback, args, kwargs):
        note("view")

    @non_blocking
    def process_response(self, request, response):
        note("response")
        return response


class Static(MiddlewareMixin):
    @staticmethod
    @non_blocking
    def process_request(request):
        note("request")


class StaticView(MiddlewareMixin):
    @staticmethod
    @non_blocking
    def process_view(request, callback, args, kwargs):
        note("view")


class ViewAlone(Noting):
    process_view = non_blocking(lambda self, request, callback, args, kwargs: note("view"))


class OnlyIn(MiddlewareMixin):
    """One of two counterparts, and there is no other."""

    @non_blocking
    def process_request(self, request):
        note("request")


class Half(MiddlewareMixin):
    @non_blocking
    def process_request(self, request):
        note("request")

    def process_response(self, request, response):
        note("response")
        return response


class HalfByHeritage(OnlyIn):
    def process_response(self, request, response):
        note("response")
        return response


class MoreData(Whole):
    answer = 42


class Other(Whole):
    """Overrides what the declaration was about."""

    def helper(self):
        pass


@non_blocking
class OtherDeclared(Other):
    pass


class Wrapped(MiddlewareMixin):
    def _timed(hook):
        @functools.wraps(hook)
        def timed(*args):
            return hook(*args)

        return timed

    @_timed
    @non_blocking
    def process_request(self, request):
        note("request")


class DeclaredTokens(Tokens):
    pass


class InOnly(MiddlewareMixin):
    def process_request(self, request):
        note("in")


class OutOnly(MiddlewareMixin):
    def process_response(self, request, response):
        note("out")
        return response


class SyncOnly(Noting):
    async_capable = False


@non_blocking
class CallsItself(MiddlewareMixin):
    def process_request(self, request):
        pass

    async def __acall__(self, request):
        return await self.get_response(request)


@non_blocking
def function(get_response):
    return get_response


@non_blocking
class SessionOfOurs(SessionMiddleware):
    """Knows a thing of its own about a session; loading and saving is Django's."""

    def process_request(self, request):
        super().process_request(request)
        note("session")


class SessionByMethod(SessionMiddleware):
    @non_blocking
    def process_request(self, request):
        super().process_request(request)
        note("session")


class Acting3(Acting):
    number = 3


# --- what a hook may do ---


@functools.cache
def pair():
    """The ends of a socket that blocks."""
    return socket.socketpair()


@functools.cache
def calm():
    """The ends of a socket that does not."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


@functools.cache
def datagrams():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@functools.cache
def pipe():
    return os.pipe()


def open_and_close():
    with open("/etc/hostname"):
        pass


def swallow():
    with contextlib.suppress(Exception):
        open_and_close()


def disguise():
    try:
        open_and_close()
    except Exception:
        raise ValueError("something else") from None


def ask_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def allow_async_unsafe():
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        ask_database()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def compute():
    end = time.thread_time() + 0.06
    while time.thread_time() < end:
        pass


def first_import():
    sys.modules.pop("tracks_site.other_urls", None)
    importlib.import_module("tracks_site.other_urls")


def show_traceback():
    # So that its source is read again.
    linecache.clearcache()
    try:
        raise ValueError
    except ValueError:
        traceback.format_exc()


def tls_handshake():
    outer = ssl.create_default_context().wrap_socket(
        pair()[0].dup(), server_hostname="localhost", do_handshake_on_connect=False
    )
    outer.do_handshake()


_on_disk = FileBasedCache(tempfile.gettempdir(), {})
_memcached = BaseMemcachedCache("127.0.0.1:1", {}, types.SimpleNamespace(Client=None), ValueError)
BLOCKING = {
    "open": (open_and_close, "does open('/etc/hostname'"),
    "read_bytes": (lambda: Path("/etc/hostname").read_bytes(), "does open('/etc/hostname'"),
    "listdir": (lambda: os.listdir("/"), "does os.listdir('/')"),
    "mkstemp": (tempfile.mkstemp, "does tempfile.mkstemp"),
    "connect": (lambda: socket.create_connection(("127.0.0.1", 1)), "does socket."),
    "connect_calmly": (lambda: calm()[0].connect("/nowhere"), "does socket.connect('/nowhere')"),
    "resolve": (lambda: socket.getaddrinfo("localhost", 80), "does socket.getaddrinfo('localhost'"),
    "sendto": (lambda: datagrams().sendto(b"secret", ("127.0.0.1", 9)), "does socket.sendto(('127.0.0.1', 9))"),
    "send": (lambda: pair()[0].send(b"x"), "does socket.send()"),
    "sendall": (lambda: pair()[0].sendall(b"x"), "does socket.sendall()"),
    "recv": (lambda: pair()[0].recv(1), "does socket.recv()"),
    "makefile": (lambda: pair()[0].makefile("rb").read(1), "does socket.recv_into()"),
    "tls": (tls_handshake, "does socket.do_handshake()"),
    "child": (lambda: subprocess.run(["true"]), "does subprocess.Popen('true'"),
    "system": (lambda: os.system("true"), "does os.system("),
    "sleep": (lambda: time.sleep(0), "does time.sleep("),
    "sqlite": (lambda: sqlite3.connect(":memory:"), "does sqlite3.connect(':memory:')"),
    "orm": (ask_database, "asks the database"),
    "unsafe orm": (allow_async_unsafe, "asks the database 'default'"),
    "file cache": (lambda: _on_disk.get("k"), "asks a cache (FileBasedCache.get)"),
    "database cache": (lambda: DatabaseCache("t", {}).set("k", 1), "asks a cache (DatabaseCache.set)"),
    "redis": (lambda: RedisCache("redis://127.0.0.1:1", {}).get_or_set("k", 1), "asks a cache (RedisCache.get)"),
    "memcached": (lambda: _memcached.incr("k"), "asks a cache (BaseMemcachedCache.incr)"),
    "swallowed": (swallow, "does open('/etc/hostname'"),
    "disguised": (disguise, "does open('/etc/hostname'"),
}
FINE = {
    "nothing": lambda: None,
    "memory": lambda: LocMemCache("declared", {}).set("k", 1),
    "calm socket": lambda: (calm()[0].send(b"x"), calm()[1].recv(1)),
    "open file": lambda: os.write(pipe()[1], b"x"),
    "import": first_import,
    "traceback": show_traceback,
    "computing": compute,
}


@non_blocking
class Deeds(MiddlewareMixin):
    """Does in the hook of X-Hook what X-Deed asks for."""

    def process_request(self, request):
        self._do(request, "request")

    def process_view(self, request, callback, args, kwargs):
        self._do(request, "view")

    def process_response(self, request, response):
        self._do(request, "response")
        return response

    def _do(self, request, hook):
        if request.headers.get("X-Hook", "request") == hook:
            name = request.headers.get("X-Deed", "nothing")
            (FINE[name] if name in FINE else BLOCKING[name][0])()


# --- functions for sync_to_async ---


@non_blocking
def add(a, b=1):
    return f"{a + b} {views.thread()}"


@non_blocking
def add_from_disk(a):
    open_and_close()
    return f"{a} {views.thread()}"


async def added(request):
    return HttpResponse(await sync_to_async(add)(1, b=2))


async def added_from_disk(request):
    return HttpResponse(await sync_to_async(add_from_disk)(1))


async def guarded(request):
    """What the guard has put where."""
    return JsonResponse(
        {
            "patches": "turnout.django.declared.patches" in sys.modules,
            "sockets": "send" in vars(socket.socket),
            "sleep": isinstance(time.sleep, types.FunctionType),
        }
    )


urlpatterns = [
    path("async/", views.async_json),
    path("sync/", views.sync_json),
    path("added/", added),
    path("added-from-disk/", added_from_disk),
    path("guarded/", guarded),
]
