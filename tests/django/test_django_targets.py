"""What a hop runs: calls, signals, databases and replaced functions that flip the verdict about it."""

from __future__ import annotations

import functools
import importlib
import logging
import sys

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import connections, models, router
from django.db.backends.signals import connection_created
from django.db.models import signals
from django.db.models.functions import Lower
from django.db.models.query import QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import isolate_apps
from django.utils import timezone
from judging import Local, judged, reading, start
from tracks_site.models import Item

from turnout.django.targets import Runs, known, registry, runs

VETTED, FOREIGN = Runs.VETTED, Runs.FOREIGN


pytestmark = pytest.mark.usefixtures("fresh_verdicts")


def test_what_is_not_one_of_djangos_functions_is_foreign():
    assert judged(lambda: sync_to_async(lambda: 1)()) is FOREIGN
    assert judged(lambda: sync_to_async(len)([])) is FOREIGN
    assert runs(len) is FOREIGN
    assert runs(functools.partial(len, [])) is FOREIGN


USER = User(pk=1, username="a")

READS = {
    "aget": lambda: User.objects.aget(pk=1),
    "afirst": lambda: User.objects.filter(groups__name__in=["a", "b"]).order_by("-username").afirst(),
    "alast": lambda: User.objects.exclude(email="").alast(),
    "aearliest": lambda: User.objects.aearliest("date_joined"),
    "alatest": lambda: User.objects.alatest("date_joined"),
    "ain_bulk": lambda: User.objects.ain_bulk([1, 2]),
    "acount": lambda: User.objects.acount(),
    "aexists": lambda: User.objects.filter(last_login__lt=timezone.now()).aexists(),
    "acontains": lambda: User.objects.acontains(USER),
    "aaggregate": lambda: User.objects.aaggregate(n=models.Count("pk"), last=models.Max("last_login")),
    "aexplain": lambda: User.objects.aexplain(),
    "arefresh_from_db": lambda: USER.arefresh_from_db(),
    "a session": lambda: Session.objects.aget(session_key="a", expire_date__gt=timezone.now()),
    "through a relation": lambda: USER.groups.afirst(),
    "by a plain manager": lambda: sync_to_async(User.objects.get)(pk=1),
    "prefetched": lambda: models.aprefetch_related_objects([USER], "groups__permissions"),
    "raw": lambda: anext(aiter(User.objects.raw("select * from auth_user where id = %s", [1]))),
    "Q and F": lambda: User.objects.aget(models.Q(pk=1) | ~models.Q(username=models.F("email"))),
    "a subquery": lambda: User.objects.filter(models.Exists(Group.objects.filter(user=models.OuterRef("pk")))).afirst(),
    "an annotation": lambda: User.objects.annotate(low=Lower("username")).filter(low="a").afirst(),
    "values": lambda: anext(aiter(Permission.objects.values_list("content_type__app_label", "codename"))),
    "select_related": lambda: Permission.objects.select_related("content_type").afirst(),
    "prefetch_related": lambda: User.objects.prefetch_related("groups").afirst(),
}

WRITES = {
    "acreate": lambda: User.objects.acreate(username="a"),
    "aget_or_create": lambda: User.objects.aget_or_create(username="a", defaults={"email": "b"}),
    "aupdate_or_create": lambda: User.objects.aupdate_or_create(username="a", defaults={"email": "b"}),
    "abulk_create": lambda: User.objects.abulk_create([USER]),
    "abulk_update": lambda: User.objects.abulk_update([USER], ["email"]),
    "aupdate": lambda: User.objects.filter(pk=1).aupdate(email=models.F("username")),
    "adelete of a queryset": lambda: User.objects.filter(pk=1).adelete(),
    "asave": lambda: USER.asave(),
    "asave of some fields": lambda: USER.asave(update_fields=["email"]),
    "adelete": lambda: USER.adelete(),
    "aadd": lambda: USER.groups.aadd(1),
    "aremove": lambda: USER.groups.aremove(1),
    "aset": lambda: USER.groups.aset([Group(pk=1)]),
    "aclear": lambda: USER.groups.aclear(),
    "acreate of a relation": lambda: USER.groups.acreate(name="a"),
    "aget_or_create of a relation": lambda: USER.groups.aget_or_create(name="a"),
    "by a plain manager": lambda: sync_to_async(User.objects.create)(username="a"),
}


@pytest.mark.parametrize("name", READS)
def test_reads_of_djangos_own_models_are_vetted(name):
    assert judged(READS[name]) is VETTED


@pytest.mark.parametrize("name", WRITES)
def test_writes_of_djangos_own_models_are_vetted(name):
    assert judged(WRITES[name]) is VETTED


def test_a_model_of_the_projects_that_redefines_nothing_is_vetted():
    assert reading(Item.objects.filter(name="a")) is VETTED
    assert judged(Item(name="a").asave) is VETTED


def test_the_slices_of_aiterator_are_foreign():
    assert judged(lambda: anext(aiter(Item.objects.aiterator()))) is FOREIGN


# --- signals ---


def receiver(**kwargs):
    """Anybody's."""


READ = [Item.objects.all().afirst, lambda: Item.objects.aget(pk=1)]
COUNTED = [Item.objects.all().acount, lambda: Item.objects.filter(pk=1).aupdate(name="b")]
SAVED = [Item(pk=1).asave, lambda: Item.objects.acreate(name="a"), lambda: Item.objects.aget_or_create(name="a")]
DELETED = [Item(pk=1).adelete, Item.objects.filter(pk=1).adelete]


@pytest.mark.parametrize(
    ("signal", "flips"),
    [
        (signals.pre_init, READ + SAVED + DELETED),
        (signals.post_init, READ + SAVED + DELETED),
        (signals.pre_save, SAVED),
        (signals.post_save, SAVED),
        (signals.pre_delete, DELETED),
        (signals.post_delete, DELETED),
    ],
)
def test_a_receiver_flips_what_its_signal_is_sent_for_while_it_is_connected(signal, flips):
    everything = READ + COUNTED + SAVED + DELETED
    for sender in (None, Item):
        assert [judged(call) for call in everything] == [VETTED] * len(everything)
        signal.connect(receiver, sender=sender)
        try:
            assert [judged(call) for call in everything] == [
                FOREIGN if call in flips else VETTED for call in everything
            ]
        finally:
            signal.disconnect(receiver, sender=sender)
    # For another sender it is nobody's business here.
    signal.connect(receiver, sender=Session)
    try:
        assert [judged(call) for call in everything] == [VETTED] * len(everything)
    finally:
        signal.disconnect(receiver, sender=Session)


def test_a_receiver_of_m2m_changed_flips_relations_of_its_table():
    calls = [lambda: USER.groups.aadd(1), lambda: USER.groups.aclear(), lambda: USER.groups.aset([])]
    signals.m2m_changed.connect(receiver, sender=User.groups.through)
    try:
        assert [judged(call) for call in calls] == [FOREIGN] * 3
        assert judged(lambda: USER.user_permissions.aadd(1)) is VETTED
        assert judged(lambda: USER.groups.afirst()) is VETTED
    finally:
        signals.m2m_changed.disconnect(receiver, sender=User.groups.through)
    assert [judged(call) for call in calls] == [VETTED] * 3


def test_a_receiver_of_what_is_deleted_along_flips_too():
    signals.post_delete.connect(receiver, sender=User.groups.through)
    try:
        assert judged(USER.adelete) is FOREIGN
        assert judged(Item(pk=1).adelete) is VETTED
    finally:
        signals.post_delete.disconnect(receiver, sender=User.groups.through)


@isolate_apps("tracks_site")
def test_on_delete_of_the_project_is_foreign():
    class Author(Local):
        pass

    class Book(Local):
        author = models.ForeignKey(Author, models.SET(receiver))

    class Editor(Local):
        pass

    class Page(Local):
        editor = models.ForeignKey(Editor, models.SET(1))
        other = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")

    assert judged(Author(pk=1).adelete) is FOREIGN
    assert judged(Editor(pk=1).adelete) is VETTED


# --- databases ---


def test_a_receiver_of_connection_created_is_foreign():
    connection_created.connect(receiver)
    try:
        assert judged(READ[0]) is FOREIGN
    finally:
        connection_created.disconnect(receiver)
    assert judged(READ[0]) is VETTED


class Router:
    def db_for_read(self, model, **hints):
        return "default"


def test_routers_are_foreign(monkeypatch):
    monkeypatch.setitem(router.__dict__, "routers", [Router()])
    assert judged(READ[0]) is FOREIGN
    assert judged(SAVED[0]) is FOREIGN
    monkeypatch.setitem(router.__dict__, "routers", [])
    assert judged(READ[0]) is VETTED


def test_engines_and_options_of_the_project_are_foreign(monkeypatch):
    usual = connections.settings["default"]
    other = {
        "default": usual,
        "wrapped": {**usual, "ENGINE": "django_prometheus.db.backends.sqlite3"},
        "called": {**usual, "OPTIONS": {"factory": receiver}},
        "plain": {**usual, "OPTIONS": {"timeout": 5, "pool": {"min_size": 1}}},
    }
    monkeypatch.setattr(connections, "settings", other)
    assert judged(Item.objects.using("default").afirst) is VETTED
    assert judged(Item.objects.using("plain").afirst) is VETTED
    for alias in ("wrapped", "called", "nowhere"):
        assert judged(Item.objects.using(alias).afirst) is FOREIGN
        assert judged(lambda alias=alias: Item(name="a").asave(using=alias)) is FOREIGN


@pytest.mark.parametrize("driver", ["psycopg", "pymysql"])
def test_what_django_takes_from_a_driver_is_no_code_of_the_project(driver, monkeypatch):
    importlib.import_module(driver)
    if driver == "pymysql":
        monkeypatch.setattr("pymysql.version_info", (2, 2, 7, "final", 0))
        monkeypatch.setitem(sys.modules, "MySQLdb", sys.modules["pymysql"])
    engine = {"psycopg": "postgresql", "pymysql": "mysql"}[driver]
    other = {"default": {**connections.settings["default"], "ENGINE": f"django.db.backends.{engine}", "OPTIONS": {}}}
    monkeypatch.setattr(connections, "settings", other)
    assert judged(Item.objects.afirst) is VETTED


# --- functions that were replaced ---


def test_a_replaced_method_is_foreign_and_said_once(monkeypatch, caplog):
    usual = QuerySet.get

    def get(self, *args, **kwargs):
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(registry, "_said", set())
    monkeypatch.setattr(QuerySet, "get", get)
    with caplog.at_level(logging.WARNING, "turnout.django"):
        known.install()
        known.install()
        assert judged(READ[1]) is FOREIGN
    lines = [record.message for record in caplog.records if "QuerySet.get " in record.message]
    assert len(lines) == 1
    assert "not the function that was vetted" in lines[0]
    monkeypatch.undo()
    known.install()
    assert judged(READ[1]) is VETTED


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (QuerySet, "_clone"),
        (models.Model, "save_base"),
        (models.sql.Query, "get_compiler"),
        (SQLCompiler, "execute_sql"),
        (models.CharField, "get_prep_value"),
    ],
)
def test_a_helper_that_was_replaced_before_the_start_makes_the_orm_foreign(where, name, monkeypatch, caplog):
    monkeypatch.setattr(where, name, functools.wraps(getattr(where, name))(lambda *args, **kwargs: None))
    with caplog.at_level(logging.WARNING, "turnout.django"):
        start()
        assert judged(READ[0]) is FOREIGN
        assert judged(SAVED[0]) is FOREIGN
    assert caplog.records
    assert all(name in record.message for record in caplog.records)


def test_changed_code_in_the_same_function_is_foreign(monkeypatch):
    changed = compile("def count(self):\n    return 7\n", models.query.__file__, "exec").co_consts[0]
    monkeypatch.setattr(QuerySet.count, "__code__", changed)
    known.install()
    assert judged(Item.objects.acount) is FOREIGN


def test_a_call_that_is_wrong_in_itself_is_foreign():
    assert judged(lambda: sync_to_async(QuerySet.get)()) is FOREIGN
    assert judged(lambda: sync_to_async(QuerySet.get)(7, pk=1)) is FOREIGN
    assert judged(lambda: sync_to_async(models.Model.save)(object())) is FOREIGN
    assert judged(lambda: QuerySet().aget(pk=1)) is FOREIGN


def test_asgiref_submits_calls_as_the_judges_expect_them():
    assert SyncToAsync.__module__ == "asgiref.sync"
    assert judged(lambda: sync_to_async(functools.partial(Item.objects.all().get, pk=1))()) is VETTED
