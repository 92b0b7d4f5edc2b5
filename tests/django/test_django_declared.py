"""What a project declares non-blocking runs on the loop; what cannot hold is said at the start."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import textwrap

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from test_django_layers import DEEDS, djangos_own
from tracks_site import declaring, middleware

from turnout.django import declared, non_blocking
from turnout.django.hops import RequestThread
from turnout.django.nonblocking import HOOKS
from turnout.django.targets import Runs, runs

OURS = "tracks_site.declaring."
THEIRS = "tracks_site.middleware."
EVERYWHERE = ["request MainThread", "view MainThread", "response MainThread"]


def of(*layers: str, declare: tuple[str, ...] = (), **more) -> dict:
    """Settings with these middleware, and these declared by the setting."""
    return {"MIDDLEWARE": list(layers), "TURNOUT": {"NON_BLOCKING": list(declare)}, **more}


# --- the decorator ---


def test_the_decorator_needs_no_server_no_settings_and_no_extension():
    program = """
        import sys
        sys.modules["turnout._turnout"] = None
        from turnout.django import non_blocking

        class Tenant:
            @non_blocking
            def process_request(self, request):
                return "as ever"

        assert non_blocking(Tenant) is Tenant
        assert Tenant().process_request(None) == "as ever"
        assert "django.conf" not in sys.modules, "not a word of Django's settings"
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_under_djangos_own_handler_nothing_changes(make, events):
    async def check(driver):
        request = {"path": "/async/"}
        assert await djangos_own(request) == 200
        assert [event.split()[0] for event in events] == ["request", "view", "response"]
        assert not any("MainThread" in event for event in events)

    make(check, settings=of(OURS + "Whole"))


async def coroutine():
    pass


async def generator():
    yield


class WithAsyncHook:
    async def process_request(self, request):
        pass


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (coroutine, "coroutine: it is async and runs on the event loop anyway"),
        (generator, "generator: it is async and runs on the event loop anyway"),
        (WithAsyncHook, "WithAsyncHook.process_request: it is async"),
        (type("NoHooks", (), {}), "NoHooks: it has none of the hooks process_request, process_view, process_response"),
        (staticmethod(lambda request: None), "this is a staticmethod: put it next to the def"),
        ("tracks_site.middleware.Noting", "this is a str"),
    ],
    ids=lambda value: getattr(value, "__name__", "") if not isinstance(value, str) else "",
)
def test_what_cannot_be_declared_is_refused_where_it_stands(wrong, message):
    with pytest.raises(TypeError, match="@non_blocking") as refused:
        non_blocking(wrong)
    assert message in str(refused.value)


# --- where hooks run ---


@pytest.mark.parametrize(
    "settings",
    [
        of(OURS + "Whole"),
        of(OURS + "ByMethods"),
        of(OURS + "MoreData"),
        of(OURS + "OtherDeclared"),
        of(THEIRS + "Noting", declare=(THEIRS + "Noting",)),
        of(THEIRS + "Noting", declare=tuple(f"{THEIRS}Noting.{name}" for name in HOOKS)),
    ],
    ids=["class", "methods", "subclass with data", "subclass declared again", "setting", "setting by hooks"],
)
def test_declared_hooks_run_on_the_loop(make, events, settings):
    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert events == EVERYWHERE
        assert driver.handler.hops.threads == 0
        ((name, mode, why),) = driver.handler.describe()["middleware"]
        assert (name, mode, why) == (settings["MIDDLEWARE"][0], "inline", "declared by the project")
        events.clear()
        assert (await driver.run_sync(path="/async/")).status == 200
        assert [event.split()[0] for event in events] == ["request", "view", "response"]
        assert not any("MainThread" in event for event in events)

    make(check, settings=settings)


@pytest.mark.parametrize(("name", "hook"), [("Static", "request"), ("StaticView", "view"), ("OnlyIn", "request")])
def test_one_hook_may_be_declared_where_it_is_alone(make, events, name, hook):
    async def check(driver):
        await driver.run_async(path="/async/")
        assert events == [f"{hook} MainThread"]
        assert driver.handler.describe()["middleware"][0][1:] == ("inline", "declared by the project")

    make(check, settings=of(OURS + name))


def test_a_view_hook_may_be_declared_alone(make, events):
    async def check(driver):
        await driver.run_async(path="/async/")
        assert events == ["request turnout-hop-1", "view MainThread", "response turnout-hop-1"]
        why = "process_view declared by the project, process_request, process_response not"
        assert driver.handler.describe()["middleware"][0][1:] == ("hop", why)

    make(check, settings=of(OURS + "ViewAlone"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Other", "Other overrides helper, and only Whole is declared"),
        ("HalfByHeritage", "process_response is not declared, and it runs as its counterpart does"),
        ("Wrapped", "process_request: something is wrapped around what @non_blocking stands on"),
    ],
)
def test_what_is_not_what_was_declared_hops_and_the_banner_says_why(make, events, name, why):
    async def check(driver):
        await driver.run_async(path="/async/")
        assert events
        assert not any("MainThread" in event for event in events)
        assert driver.handler.describe()["middleware"] == [(OURS + name, "hop", why)]

    make(check, settings=of(OURS + name))


def test_the_setting_may_name_what_is_not_in_use_and_the_banner_says_so(make):
    async def check(driver):
        notes = driver.handler.describe()["notes"]
        assert f"{THEIRS}Noting declared non-blocking, and not in MIDDLEWARE" in notes

    make(check, settings=of(declare=(THEIRS + "Noting",)))


# --- beside what turnout knows itself ---


@pytest.mark.parametrize("name", ["SessionOfOurs", "SessionByMethod"])
def test_hooks_inherited_from_django_keep_their_condition(make, events, name, monkeypatch):
    settings = of(OURS + name, "django.contrib.auth.middleware.AuthenticationMiddleware")

    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert driver.handler.hops.threads == 0
        # Saving it asks the database: on the loop that would be an error.
        assert (await driver.run_async(path="/async-session/")).status == 200
        assert events == ["session MainThread", "session MainThread"]
        mode, why = driver.handler.describe()["middleware"][0][1:]
        assert mode == "inline"
        assert why.startswith("declared by the project, beside what is vetted for Django ")

    make(check, settings=settings)

    def process_response(self, request, response):
        events.append("patched")
        return response

    async def check_replaced(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert driver.handler.hops.threads == 1
        assert "patched" in events

    monkeypatch.setattr(SessionMiddleware, "process_response", process_response)
    make(check_replaced, settings=settings)


def test_what_is_vetted_stays_under_its_condition_whatever_is_declared(make):
    name = "django.contrib.sessions.middleware.SessionMiddleware"

    async def check(driver):
        assert (await driver.run_async(path="/async-session/")).status == 200
        assert driver.handler.describe()["middleware"][0][2].startswith("vetted")

    make(check, settings=of(name, declare=(name,)))


# --- both hooks in one way (F9) ---


@pytest.mark.parametrize(
    "layers",
    [
        ("ours",),
        ("Noting", "ours"),
        ("ours", "Noting"),
        ("Noting", "ours", "Noting"),
        ("OutOnly", "ours", "Noting"),
        ("OutOnly", "ours", "InOnly", "OutOnly"),
        ("OutOnly", "ours", "NativeAsync", "Noting"),
        ("ours", "sync_only", "Noting"),
    ],
)
def test_a_token_of_one_declared_hook_can_be_reset_in_the_other(make, events, layers):
    homes = {"ours": OURS + "DeclaredTokens", "InOnly": OURS + "InOnly", "OutOnly": OURS + "OutOnly"}
    settings = of(*(homes.get(name, THEIRS + name) for name in layers), declare=(OURS + "DeclaredTokens",))

    async def check(driver):
        for _ in range(2):
            answers = await asyncio.gather(*(driver.run_async(path=path) for path in ("/context/", "/async/")))
            assert [answer.header("X-Token") for answer in answers] == ["/context/ hop", "/async/ unset"]
            assert middleware.token.get() is None

    make(check, settings=settings)


@pytest.mark.parametrize("pattern", list(itertools.product((False, True), repeat=3)), ids=str)
def test_every_deed_of_every_declared_hook_has_djangos_outcome(make, events, pattern):
    stack = [f"{THEIRS}Acting{number}" for number in range(3)]
    chosen = tuple(name for name, taken in zip(stack, pattern, strict=True) if taken)

    async def check(driver):
        for deed in DEEDS:
            request = {"path": "/async/", "headers": [("X-Do", deed)]}
            events.clear()
            expected = await djangos_own(request)
            wanted = list(events)
            events.clear()
            found = await driver.run_async(**request)
            assert (found.status, events) == (expected, wanted), deed

    make(check, settings=of(THEIRS + "Stamping", *stack, declare=chosen))


def test_hooks_behind_a_declared_one_stay_on_the_loop(make, monkeypatch, with_middleware):
    """On the way out the innermost hops, the declared one must not, and those of Django need not."""
    submitted = []
    submit = RequestThread.submit
    monkeypatch.setattr(
        RequestThread, "submit", lambda thread, *call, **more: (submitted.append(1), submit(thread, *call, **more))[1]
    )
    usual = with_middleware()["MIDDLEWARE"]

    async def check(driver):
        assert (await driver.run_async(path="/async/")).status == 200
        assert len(submitted) == 1

    make(check, settings=of(*usual, OURS + "DeclaredTokens", OURS + "OutOnly", declare=(OURS + "DeclaredTokens",)))


# --- what is wrong is said at the start ---

PAIR = "process_request of tracks_site.declaring.Half is declared non-blocking and process_response is not"
WRONG = {
    "unknown module": (of(declare=("no.such.Thing",)), "'no.such.Thing': there is no such thing"),
    "unknown class": (of(declare=(OURS + "Wole",)), "'tracks_site.declaring.Wole': there is no such thing"),
    "unknown hook": (
        of(declare=(OURS + "Half.proces_request",)),
        "proces_request does not exist (did you mean process_request?)",
    ),
    "no hook": (of(declare=(OURS + "Deeds._do",)), "_do is not a hook that can run on the event loop"),
    "exception hook": (of(declare=(THEIRS + "Catching.process_exception",)), "process_exception is not a hook"),
    "hook it has not": (of(declare=(OURS + "OnlyIn.process_view",)), "the class has no process_view"),
    "function": (of(declare=(OURS + "compute",)), "that is a function; name a middleware class"),
    "no middleware": (of(declare=("pathlib.Path",)), "the class has none of the hooks"),
    "one word": (of(declare=("Half",)), "'Half': there is no such thing"),
    "empty": (of(declare=("",)), "names '': there is no such thing"),
    "two dots": (of(declare=("tracks_site..declaring.Half",)), "there is no such thing"),
    "no list": ({"TURNOUT": {"NON_BLOCKING": OURS + "Half"}}, "must be a list of dotted paths"),
    "no text": ({"TURNOUT": {"NON_BLOCKING": [declaring.Half]}}, "must be a list of dotted paths"),
    "unknown key": ({"TURNOUT": {"NON_BLOKING": []}}, "'NON_BLOKING' is not known (did you mean NON_BLOCKING?)"),
    "no dict": ({"TURNOUT": ["x"]}, "TURNOUT in the settings must be a dict"),
    "half by decorator": (of(OURS + "Half"), f"@non_blocking on tracks_site.declaring.Half.process_request: {PAIR}"),
    "half by setting": (
        of(declare=(THEIRS + "Tokens.process_response",)),
        'TURNOUT["NON_BLOCKING"]: process_response of tracks_site.middleware.Tokens is declared',
    ),
    "sync only": (of(OURS + "SyncOnly", declare=(OURS + "SyncOnly",)), "is sync only (async_capable is False)"),
    "called by itself": (of(OURS + "CallsItself"), "has a way of its own to be called"),
    "function in the chain": (of(OURS + "function"), "this middleware is one function around the rest of the chain"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_declaration_is_an_error_at_the_start(make, name):
    settings, message = WRONG[name]

    async def never(driver):
        raise AssertionError("it started")

    with pytest.raises(ImproperlyConfigured) as refused:
        make(never, settings=settings)
    assert message in str(refused.value)
    assert "TURNOUT" in str(refused.value) or "@non_blocking" in str(refused.value)


def test_a_module_that_fails_says_so_itself(make, tmp_path, monkeypatch):
    (tmp_path / "breaks_on_import.py").write_text("import this_module_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="this_module_is_missing"):
        make(None, settings=of(declare=("breaks_on_import.Middleware",)))


def test_compat_asks_for_no_declaration(make):
    async def check(driver):
        assert driver.handler.compat

    make(check, settings=of(declare=("no.such.Thing",)), compat=True)


# --- functions ---


def call_of(function):
    """What asgiref submits for `sync_to_async(function)(...)`."""

    class Taken(Exception):
        pass

    class Executor:
        def submit(self, call):
            self.call = call
            raise Taken

    async def main():
        executor = Executor()
        with pytest.raises(Taken):
            await sync_to_async(function, thread_sensitive=False, executor=executor)(1)
        return executor.call

    return asyncio.run(main())


def test_a_declared_function_needs_no_thread():
    def undeclared(a):
        return a

    @middleware_like
    def wrapped(a):
        return a

    assert runs(call_of(declaring.add)) is Runs.ON_LOOP
    assert runs(call_of(undeclared)) is Runs.FOREIGN
    # A wrapper has the attributes of what it wraps, and may do anything.
    assert runs(call_of(wrapped)) is Runs.FOREIGN
    assert declared.mode(undeclared) is None


def middleware_like(function):
    import functools

    @functools.wraps(non_blocking(function))
    def wrapper(*args):
        return function(*args)

    return wrapper
