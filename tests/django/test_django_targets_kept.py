"""What a hop runs: calls of caches, sessions and auth, and what of the project flips the verdict about them."""

from __future__ import annotations

import datetime
import functools

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user, hashers, login, logout, signals
from django.contrib.auth.backends import BaseBackend, ModelBackend, RemoteUserBackend
from django.contrib.auth.decorators import login_required, user_passes_test
from django.contrib.auth.models import AnonymousUser, User, UserManager, update_last_login
from django.contrib.sessions.backends import cache as cache_engine
from django.contrib.sessions.backends import cached_db, db, file, signed_cookies
from django.contrib.sessions.models import Session
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.db import router
from django.db.models.signals import post_save
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from judging import judged, start
from tracks_site.models import Item

from turnout.django.targets import Runs

ON_LOOP, VETTED, FOREIGN = Runs.ON_LOOP, Runs.VETTED, Runs.FOREIGN

pytestmark = pytest.mark.usefixtures("fresh_verdicts")


# --- caches ---


class Kept:
    """Of the project: pickling and unpickling one runs its code."""

    def __getstate__(self):
        return {"a": 1}

    def __setstate__(self, state):
        self.a = state


def in_memory(**params) -> LocMemCache:
    cache = LocMemCache(f"targets{id(params)}", params)
    cache.clear()
    return cache


def test_a_cache_in_memory_is_read_on_the_loop():
    cache = in_memory()
    assert judged(lambda: cache.aget("nothing")) is ON_LOOP
    cache.set("a", {"b": [1, "c", None]})
    assert judged(lambda: cache.aget("a")) is ON_LOOP
    assert judged(lambda: cache.aget("a", object())) is ON_LOOP
    assert judged(lambda: cache.ahas_key("a")) is ON_LOOP
    assert judged(lambda: cache.atouch("a", 5)) is ON_LOOP
    assert judged(lambda: cache.adelete("a")) is ON_LOOP


def test_what_names_a_class_or_is_long_is_read_on_a_thread():
    cache = in_memory()
    for value in (Kept(), Item(name="a"), datetime.date.today(), "a" * 100_000):
        cache.set("a", value)
        assert judged(lambda: cache.aget("a")) is VETTED
        # Of another version there is nothing.
        assert judged(lambda: cache.aget("a", version=2)) is ON_LOOP


def test_plain_values_are_stored_on_the_loop_and_long_ones_on_a_thread():
    cache = in_memory()
    assert judged(lambda: cache.aset("a", {"b": [1, (2.5, b"c")]}, 30)) is ON_LOOP
    assert judged(lambda: cache.aadd("a", 1)) is ON_LOOP
    assert judged(lambda: cache.aset("a", "a" * 100_000)) is VETTED
    assert judged(lambda: cache.aset("a", {"b": ["a" * 100_000]})) is VETTED
    assert judged(cache.aclear) is VETTED
    large = in_memory(OPTIONS={"MAX_ENTRIES": 1_000_000})
    assert judged(lambda: large.aset("a", 1)) is VETTED


@pytest.mark.parametrize("value", [Kept(), Item(), Item.objects.all(), lambda: 1, [Kept()], [1] * 1000], ids=type)
def test_what_pickling_would_run_of_the_projects_is_foreign(value):
    cache = in_memory()
    assert judged(lambda: cache.aset("a", value)) is FOREIGN
    assert judged(lambda: sync_to_async(cache.get_or_set)("a", value)) is FOREIGN
    assert judged(lambda: sync_to_async(cache.set_many)({"a": value})) is FOREIGN


class Key(str):
    __slots__ = ()

    def __str__(self):
        return "key"


def test_keys_with_code_of_the_project_are_foreign():
    cache = in_memory()
    assert judged(lambda: cache.aget(Key("a"))) is FOREIGN
    own = in_memory(KEY_FUNCTION=lambda key, prefix, version: key)
    assert judged(lambda: own.aget("a")) is FOREIGN
    assert judged(lambda: own.aset("a", 1)) is FOREIGN
    # Django finds it by name, too.
    named = in_memory(KEY_FUNCTION="django.core.cache.backends.base.default_key_func")
    assert judged(lambda: named.aget("a")) is ON_LOOP


class Counting(LocMemCache):
    def get(self, *args, **kwargs):
        return super().get(*args, **kwargs)


class Cleaning(LocMemCache):
    def _delete(self, key):
        return super()._delete(key)


def test_a_backend_of_the_project_is_foreign():
    for kind in (Counting, Cleaning):
        assert judged(lambda kind=kind: kind("own", {}).aget("a")) is FOREIGN


def test_a_cache_that_throws_everything_away_does_so_on_the_loop():
    cache = DummyCache("", {})
    assert judged(lambda: cache.aget("a")) is ON_LOOP
    assert judged(lambda: cache.aset("a", 1)) is ON_LOOP


def test_caches_elsewhere_are_asked_on_a_thread(tmp_path, monkeypatch):
    redis = RedisCache("redis://127.0.0.1:1", {})
    for cache in (FileBasedCache(str(tmp_path), {}), DatabaseCache("cached", {}), redis):
        assert judged(lambda cache=cache: cache.aget("a")) is VETTED
        assert judged(lambda cache=cache: cache.aset("a", {"b": 1})) is VETTED
        assert judged(lambda cache=cache: cache.ahas_key("a")) is VETTED
        assert judged(lambda cache=cache: cache.aset("a", Kept())) is FOREIGN
    assert judged(lambda: sync_to_async(redis.get_many)(["a", "b"])) is VETTED
    assert judged(lambda: sync_to_async(redis.get_many)(each for each in "ab")) is FOREIGN
    # Routers are asked about the table of a cache.
    monkeypatch.setitem(router.__dict__, "routers", [object()])
    assert judged(lambda: DatabaseCache("cached", {}).aget("a")) is FOREIGN
    assert judged(lambda: FileBasedCache(str(tmp_path), {}).aget("a")) is VETTED


@pytest.mark.parametrize("name", ["serializer", "pool_class", "parser_class"])
def test_options_of_redis_that_name_code_of_the_project_are_foreign(name):
    at = functools.partial(RedisCache, "redis://127.0.0.1:1")
    assert judged(lambda: at({"OPTIONS": {"db": 1}}).aget("a")) is VETTED
    assert judged(lambda: at({"OPTIONS": {name: "redis.connection.Thing"}}).aget("a")) is VETTED
    assert judged(lambda: at({"OPTIONS": {name: "tracks_site.marks.Thing"}}).aget("a")) is FOREIGN
    assert judged(lambda: at({"OPTIONS": {name: Kept}}).aget("a")) is FOREIGN


def test_a_replaced_method_of_a_cache_is_foreign(monkeypatch):
    usual = LocMemCache.get
    monkeypatch.setattr(LocMemCache, "get", lambda self, *args, **kwargs: usual(self, *args, **kwargs))
    start()
    assert judged(lambda: in_memory().aget("a")) is FOREIGN
    # Sentry sets it on the instance.
    monkeypatch.undo()
    start()
    cache = in_memory()
    cache.get = lambda *args, **kwargs: None
    assert judged(lambda: cache.aget("a")) is FOREIGN
    assert judged(lambda: in_memory().aget("a")) is ON_LOOP


# --- sessions ---


def test_engines_ask_the_orm_and_the_caches():
    assert judged(db.SessionStore("a" * 32).aload) is VETTED
    assert judged(lambda: db.SessionStore().aexists("a" * 32)) is VETTED
    assert judged(lambda: db.SessionStore().adelete("a" * 32)) is VETTED
    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}):
        assert judged(cache_engine.SessionStore("a" * 32).aload) is ON_LOOP
        assert judged(cached_db.SessionStore("a" * 32).aload) is ON_LOOP


def saving(store):
    store["a"] = {"b": 1}
    return sync_to_async(store.save)


ENGINES = {
    db.SessionStore: VETTED,
    cached_db.SessionStore: VETTED,
    cache_engine.SessionStore: VETTED,
    file.SessionStore: VETTED,
    signed_cookies.SessionStore: ON_LOOP,
}


@pytest.mark.parametrize("engine", ENGINES)
def test_sync_methods_of_each_engine(engine):
    with override_settings(SESSION_ENGINE=engine.__module__):
        start()
        assert judged(saving(engine())) is ENGINES[engine]
        assert judged(lambda: sync_to_async(engine("a" * 32).load)()) is ENGINES[engine]
        assert judged(lambda: sync_to_async(engine("a" * 32).get)("b")) is ENGINES[engine]
        assert judged(lambda: sync_to_async(engine("a" * 32).flush)()) is ENGINES[engine]
        own = type("SessionStore", (engine,), {"decode": lambda self, data: {}})
        assert judged(saving(own())) is FOREIGN
        silent = type("SessionStore", (engine,), {"who": lambda self: self["who"]})
        assert judged(saving(silent())) is ENGINES[engine]
        odd = engine()
        odd["a"] = Kept()
        assert judged(sync_to_async(odd.save)) is FOREIGN


def test_a_serializer_of_the_project_is_foreign():
    with override_settings(SESSION_SERIALIZER="tracks_site.models.Item"):
        start()
        assert judged(lambda: sync_to_async(db.SessionStore("a" * 32).load)()) is FOREIGN


def test_the_transaction_of_the_database_engine_is_vetted_and_flips_with_a_receiver():
    def saved(store):
        store["a"] = 1
        store._session_key = "a" * 32
        return judged(store.asave)

    assert saved(db.SessionStore()) is VETTED
    post_save.connect(receiver, sender=Session)
    try:
        assert saved(db.SessionStore()) is FOREIGN
        assert judged(saving(db.SessionStore())) is FOREIGN
    finally:
        post_save.disconnect(receiver, sender=Session)


def receiver(**kwargs):
    """Anybody's."""


# --- auth ---


class Other(BaseBackend):
    def get_user(self, user_id):
        return User(pk=user_id)


USER = User(pk=1, username="a", is_staff=True)


def test_what_a_backend_without_an_opinion_says_needs_no_thread():
    assert judged(lambda: BaseBackend().aauthenticate(None)) is ON_LOOP
    assert judged(lambda: BaseBackend().aget_user(1)) is ON_LOOP
    assert judged(lambda: Other().aauthenticate(None)) is ON_LOOP
    assert judged(lambda: Other().aget_user(1)) is FOREIGN
    assert judged(lambda: RemoteUserBackend().aconfigure_user(None, USER)) is ON_LOOP


def test_djangos_backend_asks_the_orm():
    assert judged(lambda: ModelBackend().aget_user(1)) is VETTED
    assert judged(lambda: ModelBackend().aauthenticate(None, username="a", password="b")) is VETTED
    assert judged(lambda: User(pk=1, is_active=True).ahas_perm("a.b")) is VETTED


async def view(request):
    return HttpResponse()


def request_of(user) -> HttpRequest:
    request = HttpRequest()
    request.session = db.SessionStore("a" * 32)

    async def auser():
        return user

    request.auser = auser
    request.user = user
    return request


def test_login_required_asks_a_loaded_user_on_the_loop():
    assert judged(lambda: login_required(view)(request_of(USER))) is ON_LOOP
    assert judged(lambda: login_required(view)(request_of(AnonymousUser()))) is ON_LOOP

    class Own(User):
        class Meta:
            proxy = True
            app_label = "tracks_site"

        @property
        def is_authenticated(self):
            return True

    assert judged(lambda: login_required(view)(request_of(Own()))) is FOREIGN
    assert judged(lambda: user_passes_test(lambda user: True)(view)(request_of(USER))) is FOREIGN


def test_staff_member_required_asks_a_loaded_user_on_the_loop():
    from django.contrib.admin.views.decorators import staff_member_required

    start()
    assert judged(lambda: staff_member_required(view)(request_of(USER))) is ON_LOOP
    assert judged(lambda: staff_member_required(view)(request_of(AnonymousUser()))) is ON_LOOP
    deferred = User.from_db("default", ["id"], [1])
    assert judged(lambda: staff_member_required(view)(request_of(deferred))) is FOREIGN


def test_passwords_are_hashed_on_a_thread():
    calls = [
        lambda: sync_to_async(hashers.make_password)("a"),
        lambda: sync_to_async(hashers.check_password)("a", "md5$a$b"),
        lambda: sync_to_async(USER.check_password)("a"),
        lambda: sync_to_async(USER.set_password)("a"),
    ]
    assert [judged(call) for call in calls] == [VETTED] * 4
    with override_settings(PASSWORD_HASHERS=["tracks_site.marks.Hasher"]):
        assert [judged(call) for call in calls] == [FOREIGN] * 4
    assert judged(lambda: sync_to_async(hashers.check_password)("a", "b", receiver)) is FOREIGN


def test_permissions_and_sessions_of_users_are_vetted_with_djangos_backends_alone():
    calls = [
        lambda: sync_to_async(USER.has_perm)("a.b"),
        lambda: sync_to_async(USER.get_all_permissions)(),
        lambda: sync_to_async(ModelBackend().has_perm)(USER, "a.b"),
        lambda: sync_to_async(get_user)(request_of(USER)),
        lambda: sync_to_async(login)(request_of(USER), USER),
        lambda: sync_to_async(logout)(request_of(USER)),
    ]
    assert [judged(call) for call in calls] == [VETTED] * 6
    with override_settings(AUTHENTICATION_BACKENDS=["tracks_site.marks.Backend"]):
        assert [judged(call) for call in calls] == [FOREIGN] * 6
    assert judged(lambda: sync_to_async(USER.has_perm)("a.b", Kept())) is FOREIGN
    signals.user_logged_in.connect(receiver)
    try:
        assert [judged(call) for call in calls] == [VETTED] * 3 + [FOREIGN] * 3
    finally:
        signals.user_logged_in.disconnect(receiver)


def test_a_manager_of_the_project_for_users_is_foreign(monkeypatch):
    class Own(UserManager):
        def get_by_natural_key(self, username):
            return super().get_by_natural_key(username)

    assert judged(lambda: sync_to_async(USER.has_perm)("a.b")) is VETTED
    own = Own()
    own.model, own.name = User, "objects"
    monkeypatch.setitem(User._meta.__dict__, "default_manager", own)
    start()
    assert judged(lambda: sync_to_async(USER.has_perm)("a.b")) is FOREIGN


def test_the_receiver_that_auth_brings_is_known_and_others_are_not():
    def sent():
        return judged(lambda: signals.user_logged_in.asend(sender=User, request=None, user=USER))

    assert update_last_login in [each for each in signals.user_logged_in._live_receivers(User)[0]]
    assert sent() is VETTED
    signals.user_logged_in.connect(receiver)
    try:
        assert sent() is FOREIGN
    finally:
        signals.user_logged_in.disconnect(receiver)
    post_save.connect(receiver, sender=User)
    try:
        assert sent() is FOREIGN
    finally:
        post_save.disconnect(receiver, sender=User)
