"""The wrappers of other clients beside all else that is done to these.

In processes of their own, with a request that writes down what it is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from services.redis import Redis

from turnout.watching.clock import place_of

# A request as the wrappers see it, and what it was told.
BEGIN = """
import importlib, json, sys
from turnout import watching
from turnout.incoming import current_scope

told = []
class Awaited:
    def __init__(self, kind): self.kind = kind
    def begins(self): pass
    def ends(self, where, *call): told.append([self.kind, where(*call)])
class Request:
    inside = False
    def stamp(self): return len(told)
    def time_call(self, kind, where, call, args, kwargs, when=None):
        if self.inside or (when and not when(args, kwargs)): return call(*args, **kwargs)
        self.inside, result = True, None
        try:
            result = call(*args, **kwargs)
            return result
        finally:
            self.inside = False
            told.append([kind, where(args, kwargs, result, sys.exc_info()[1])])
    def awaits(self, kind): return Awaited(kind)

def within(call, *args, **kwargs):
    token = current_scope.set(Request())
    try:
        return call(*args, **kwargs)
    finally:
        current_scope.reset(token)

upstream, address = sys.argv[1:]
"""
GET = "within(requests.get, upstream, timeout=20)\n"
END = "print(json.dumps(told))\n"


def told(code: str, slow: str, address: str = "", cwd: Path | None = None) -> list[list[str]]:
    command = [sys.executable, "-c", BEGIN + code + END, f"http://{slow}/", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "watching.watch(); import requests\n",
        "import requests; watching.watch()\n",
        "watching.watch(); import requests; watching.watch()\n",
        "watching.watch(); import requests; importlib.reload(requests.sessions); importlib.reload(requests)\n",
        "import requests; watching.watch(); importlib.reload(sys.modules['requests.sessions'])\n",
    ],
)
def test_a_library_may_be_imported_before_or_after_and_again(slow, code):
    assert told(code + GET, slow) == [["http", slow]]


def test_a_pool_of_a_module_that_was_loaded_again_is_watched(slow):
    code = "watching.watch(); import urllib3.connectionpool as pools; importlib.reload(pools)\n"
    call = "within(pools.HTTPConnectionPool(address.split(':')[0], int(address.split(':')[1])).urlopen, 'GET', '/')\n"
    assert told(code + call, slow, slow) == [["http", slow]]


def test_without_a_request_nothing_is_told(slow):
    assert told("watching.watch(); import requests; requests.get(upstream)\n", slow) == []


OTHERS = {
    "a function around it": (
        "import functools, requests\n"
        "def around(call):\n"
        "    @functools.wraps(call)\n"
        "    def wrapped(*args, **kwargs):\n"
        "        seen.append(1); return call(*args, **kwargs)\n"
        "    return wrapped\n"
        "seen = []\n"
        "requests.Session.send = around(requests.Session.send)\n",
        "assert seen == [1]\n",
    ),
    "wrapt": (
        "import requests, wrapt\n"
        "seen = []\n"
        "def around(wrapped, instance, args, kwargs):\n"
        "    seen.append(type(instance).__name__); return wrapped(*args, **kwargs)\n"
        "wrapt.wrap_function_wrapper('requests.sessions', 'Session.send', around)\n",
        "assert seen == ['Session']\n",
    ),
    "OpenTelemetry": (
        "import requests\n"
        "from opentelemetry.instrumentation.requests import RequestsInstrumentor\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "spans = InMemorySpanExporter(); provider = TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(spans))\n"
        "RequestsInstrumentor().instrument(tracer_provider=provider)\n",
        "assert [span.name for span in spans.get_finished_spans()] == ['GET'], spans.get_finished_spans()\n",
    ),
    "Sentry": (
        "import requests, sentry_sdk\n"
        "events = []\n"
        "sentry_sdk.init(dsn='http://key@127.0.0.1:9/1', traces_sample_rate=1.0, auto_enabling_integrations=False,\n"
        "    before_send_transaction=lambda event, hint: events.append(event))\n"
        "get = requests.get\n"
        "def traced(*args, **kwargs):\n"
        "    with sentry_sdk.start_transaction(name='t'):\n"
        "        return get(*args, **kwargs)\n"
        "requests.get = traced\n",
        "assert [span['op'] for span in events[0]['spans']] == ['http.client']\n",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", ["theirs first", "ours first"])
def test_others_wrap_the_same_calls(slow, other, first):
    begin, end = OTHERS[other]
    watch = "watching.watch()\n"
    code = begin + watch if first == "theirs first" else watch + "import requests\n" + begin
    assert told(code + GET + end, slow) == [["http", slow]]


@pytest.mark.parametrize("first", ["theirs first", "ours first"])
def test_opentelemetry_can_be_taken_out_again_after_it_came_last(slow, first):
    code = (
        "import requests\n"
        "from opentelemetry.instrumentation.requests import RequestsInstrumentor\n"
        "watching.watch() if 'ours' in address else None\n"
        "RequestsInstrumentor().instrument()\n"
        "watching.watch()\n"
        "RequestsInstrumentor().uninstrument()\n"
    )
    assert told(code + GET, slow, first) == [["http", slow]]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this vcr wants Python 3.11")
def test_a_cassette_of_vcr_is_recorded_and_played(slow, tmp_path):
    code = (
        "import vcr, requests; watching.watch()\n"
        "for _ in range(2):\n"
        "    with vcr.use_cassette('tape.yaml') as tape:\n"
        "        assert within(requests.get, upstream).text == 'ok'\n"
        "assert tape.play_count == 1\n"
    )
    assert told(code, slow, cwd=tmp_path) == [["http", slow]] * 2


def test_what_is_watched_is_otherwise_what_it_was(slow):
    code = """
import aiohttp, httpx, requests, urllib3, redis.asyncio, psycopg, asyncpg, inspect, pickle
owners = [(requests.Session, "send"), (httpx.Client, "send"), (httpx.AsyncClient, "send"),
    (aiohttp.ClientSession, "_request"), (redis.Redis, "execute_command"),
    (redis.asyncio.Redis, "execute_command"), (psycopg.Connection, "wait"), (psycopg.AsyncConnection, "wait"),
    (asyncpg.Connection, "fetch"), (urllib3.HTTPConnectionPool, "urlopen")]
def about(owner, name):
    call = getattr(owner, name)
    return [str(inspect.signature(call)), call.__qualname__, call.__module__, call.__doc__,
        inspect.iscoroutinefunction(call), inspect.getsource(call), str(call.__annotations__)]
before = [about(*owner) for owner in owners]
watching.watch()
changed = [owner for owner, (held, name) in zip(owners, owners) if not hasattr(vars(held)[name], "__wrapped__")]
assert not changed, changed
after = [about(*owner) for owner in owners]
expect_coroutine = sys.version_info >= (3, 12)
for old, new in zip(before, after):
    if not expect_coroutine:
        # inspect asks for a flag of the code before 3.12; asyncio has always had a way to say it.
        old[4] = new[4] = None
    assert old == new, (old, new)
import asyncio
assert asyncio.iscoroutinefunction(httpx.AsyncClient.send)
session = pickle.loads(pickle.dumps(requests.Session()))
class Mine(requests.Session):
    def send(self, request, **kwargs):
        request.headers["x-mine"] = "1"
        return super().send(request, **kwargs)
within(session.get, upstream)
within(Mine().get, upstream)
assert pickle.loads(pickle.dumps(requests.Session.send)) is requests.Session.send
"""
    assert told(code, slow) == [["http", slow]] * 2


def test_what_somebody_put_in_its_place_may_be_an_object_without_a_name(slow):
    code = (
        "import asyncio, functools; from turnout.watching import clock\n"
        "async def call(one, other): return other\n"
        "watched = clock.timed_async(functools.partial(call, 1), 'http', lambda *_: address)\n"
        "assert asyncio.run(within(watched, 2)) == 2\n"
    )
    assert told(code, slow, slow) == [["http", slow]]


def test_an_import_that_is_not_watched_is_not_touched(slow):
    code = """
watching.watch()
import colorsys, requests.sessions, zipfile
for module in (colorsys, requests.sessions):
    assert type(module.__spec__.loader).__name__ == "SourceFileLoader", module
    assert "exec_module" not in vars(module.__spec__.loader)
assert importlib.util.find_spec("redis.client").origin.endswith("client.py")
assert importlib.util.find_spec("no_such_module_at_all") is None
"""
    assert told(code, slow) == []


def test_a_library_that_is_built_otherwise_works_and_is_not_watched(slow, tmp_path):
    (tmp_path / "asyncpg.py").write_text("value = 1\n")
    (tmp_path / "httpx.py").write_text("class Client: pass\nclass AsyncClient: pass\n")
    code = """
import logging
logging.basicConfig(stream=sys.stdout)
sys.path.insert(0, "")
watching.watch()
import asyncpg, httpx
assert asyncpg.value == 1 and httpx.Client()
"""
    assert told(code, slow, cwd=tmp_path) == []


def test_a_command_and_its_retries_are_one_wait(slow, redis: Redis):
    code = """
watching.watch()
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
host, port = address.split(":")
client = redis.Redis(host=host, port=int(port), retry=Retry(NoBackoff(), 2))
assert within(client.ping)
client.connection_pool.disconnect()
assert within(client.ping)
"""
    address = f"{redis.host}:{redis.port}"
    assert told(code, slow, address) == [["cache", address]] * 2


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://somebody:secret@Host.Example:8080/path?query", "host.example:8080"),
        ("https://host.example", "host.example:443"),
        ("https://host.example?token=secret", "host.example:443"),
        ("http://[::1]/path", "[::1]:80"),
        ("http://[::1]:8080/path", "[::1]:8080"),
        ("ws://host.example/", "host.example:80"),
        ("", "unknown"),
    ],
)
def test_an_address_has_a_host_and_a_port_and_nothing_secret(url, where):
    assert place_of(url) == where


def test_a_unix_socket_has_its_path(slow, tmp_path):
    code = """
import asyncio, contextlib
import aiohttp, asyncpg, httpx, psycopg, redis
watching.watch()
path = address + "/none"

def fails(call, *args, **kwargs):
    try:
        within(call, *args, **kwargs)
    except (OSError, redis.RedisError, httpx.HTTPError, psycopg.Error, aiohttp.ClientError):
        return
    raise AssertionError("nobody should listen there")

async def with_aiohttp():
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
        await session.get("http://somewhere/")

async def with_asyncpg():
    await asyncpg.connect(host=path, user="somebody", password="secret", database="some")

fails(redis.Redis(unix_socket_path=path).ping)
fails(httpx.Client(transport=httpx.HTTPTransport(uds=path)).get, "http://somewhere/")
fails(psycopg.connect, host=path, user="somebody", password="secret", dbname="some")
fails(asyncio.run, with_aiohttp())
fails(asyncio.run, with_asyncpg())
"""
    path = f"{tmp_path}/none"
    kinds = ["cache", "http", "db", "http", "db"]
    assert told(code, slow, str(tmp_path)) == [[kind, path] for kind in kinds]
