"""What a hop runs: models, fields, querysets and values of the project that flip the verdict about it."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import functools
import json
import uuid
import warnings

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, User
from django.db import models
from django.db.models.functions import Lower
from django.db.models.query import QuerySet
from django.test import override_settings
from django.test.utils import isolate_apps
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from judging import Local, judged, reading
from tracks_site.models import Item

from turnout.django.targets import Runs
from turnout.django.targets import models as verdicts

VETTED, FOREIGN = Runs.VETTED, Runs.FOREIGN


USER = User(pk=1, username="a")

pytestmark = pytest.mark.usefixtures("fresh_verdicts")

# --- models ---


def read_and_write(model) -> tuple[Runs, Runs]:
    instance = model(pk=1)
    found = {judged(model.objects.afirst), reading(model.objects.all()), judged(lambda: model.objects.aget(pk=1))}
    assert len(found) == 1
    written = {judged(lambda: model.objects.acreate(pk=1)), judged(instance.asave)}
    assert len(written) == 1
    return found.pop(), written.pop()


@isolate_apps("tracks_site")
def test_methods_that_no_query_calls_change_nothing():
    class Kind(models.TextChoices):
        ONE = "1"

        def shown(self):
            return self.value

    class Ordered(Local):
        kind = models.CharField(max_length=1, choices=Kind, default=Kind.ONE)
        made = models.DateTimeField(default=timezone.now)
        key = models.UUIDField(default=uuid.uuid4)
        data = models.JSONField(default=dict)

        class Meta(Local.Meta):
            abstract = False
            ordering = ("-made", models.F("kind").desc())

        def __str__(self):
            return self.kind

        @property
        def shown(self):
            return self.kind

        def clean(self):
            raise AssertionError

        def cancel(self):
            raise AssertionError

    assert read_and_write(Ordered) == (VETTED, VETTED)
    assert judged(lambda: Ordered.objects.aget(kind=Kind.ONE)) is VETTED


def overriding(name):
    def method(self, *args, **kwargs):
        return getattr(super(models.Model, self), name)(*args, **kwargs)

    return method


@isolate_apps("tracks_site")
@pytest.mark.parametrize(
    "name",
    ["__init__", "__setattr__", "__getattribute__", "__eq__", "__hash__", "refresh_from_db", "get_deferred_fields"],
)
def test_a_model_that_redefines_what_reads_call_is_foreign(name):
    body = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "tracks_site"})}
    if name == "__hash__":
        body["__eq__"] = models.Model.__eq__
    model = type("Redefines", (models.Model,), {**body, name: overriding(name)})
    assert reading(model.objects.all()) is FOREIGN
    # No instance is made for these.
    assert judged(model.objects.acount) is VETTED
    assert judged(model.objects.filter(pk=1).aexists) is VETTED


@isolate_apps("tracks_site")
def test_from_db_of_the_projects_is_foreign():
    class Watched(Local):
        @classmethod
        def from_db(cls, *args, **kwargs):
            return super().from_db(*args, **kwargs)

    assert reading(Watched.objects.all()) is FOREIGN


@isolate_apps("tracks_site")
def test_save_of_the_projects_is_foreign_in_writes_and_not_in_reads():
    class Stamped(Local):
        def save(self, *args, **kwargs):
            super().save(*args, **kwargs)

    class Based(Local):
        def save_base(self, *args, **kwargs):
            super().save_base(*args, **kwargs)

    assert read_and_write(Stamped) == (VETTED, FOREIGN)
    assert read_and_write(Based) == (VETTED, FOREIGN)
    # These insert without save().
    assert judged(lambda: Stamped.objects.abulk_create([Stamped(pk=1)])) is VETTED
    assert judged(lambda: Stamped.objects.filter(pk=1).aupdate(pk=2)) is VETTED
    assert judged(lambda: Stamped.objects.aget_or_create(pk=1)) is FOREIGN
    assert judged(Stamped.objects.filter(pk=1).adelete) is VETTED


@isolate_apps("tracks_site")
def test_delete_of_the_projects_is_foreign_where_the_collector_meets_the_model():
    class Kept(Local):
        def delete(self, *args, **kwargs):
            raise AssertionError

    assert read_and_write(Kept) == (VETTED, VETTED)
    assert judged(Kept(pk=1).adelete) is FOREIGN


@isolate_apps("tracks_site")
def test_an_ancestor_that_redefines_counts_and_djangos_own_do_not():
    class Base(Local):
        class Meta(Local.Meta):
            abstract = True

        def save(self, *args, **kwargs):
            super().save(*args, **kwargs)

    class Child(Base):
        pass

    class Account(Local, AbstractBaseUser):
        name = models.CharField(max_length=9, unique=True)
        objects = models.Manager()
        USERNAME_FIELD = "name"

    assert read_and_write(Child) == (VETTED, FOREIGN)
    assert read_and_write(Account) == (VETTED, VETTED)


@isolate_apps("tracks_site")
def test_a_metaclass_of_the_projects_is_foreign():
    class Meta(models.base.ModelBase):
        def __call__(cls, *args, **kwargs):
            return super().__call__(*args, **kwargs)

    class Made(Local, metaclass=Meta):
        pass

    assert reading(Made.objects.all()) is FOREIGN


def test_passwords_are_shown_to_validators_when_a_user_is_saved():
    validators = [{"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"}]
    with override_settings(AUTH_PASSWORD_VALIDATORS=validators):
        assert judged(USER.asave) is VETTED
    verdicts._saving.cache_clear()
    with override_settings(AUTH_PASSWORD_VALIDATORS=[*validators, {"NAME": "tracks_site.marks.Validator"}]):
        assert judged(USER.asave) is FOREIGN
        assert judged(User.objects.afirst) is VETTED


# --- fields ---


class Shouting(models.CharField):
    def from_db_value(self, value, expression, connection):
        return value.upper()


class Named(models.CharField):
    """Shapes its form and its migration, and nothing that a query asks."""

    def formfield(self, **kwargs):
        return super().formfield(**kwargs)

    def deconstruct(self):
        return super().deconstruct()


def some_default():
    return "a"


class Encoder(json.JSONEncoder):
    def default(self, value):
        return "a"


FOREIGN_FIELDS = {
    "a field class": (lambda: Shouting(max_length=9), FOREIGN, FOREIGN),
    "a field class for forms": (lambda: Named(max_length=9, default=""), VETTED, VETTED),
    "a default": (lambda: models.CharField(max_length=9, default=some_default), VETTED, FOREIGN),
    "a default half filled": (lambda: models.CharField(default=functools.partial(some_default)), VETTED, FOREIGN),
    "an encoder": (
        lambda: models.JSONField(default=dict, encoder=Encoder),
        FOREIGN,
        FOREIGN,
    ),
    "upload_to": (lambda: models.FileField(upload_to=some_default, default=""), VETTED, FOREIGN),
    "a file": (lambda: models.FileField(upload_to="here", default=""), VETTED, VETTED),
}


@isolate_apps("tracks_site")
@pytest.mark.parametrize("name", FOREIGN_FIELDS)
def test_fields(name):
    make, read, written = FOREIGN_FIELDS[name]
    body = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "tracks_site"}), "it": make()}
    assert read_and_write(type("Holds", (models.Model,), body)) == (read, written)


@isolate_apps("tracks_site")
def test_a_descriptor_of_the_projects_in_the_place_of_a_field_is_foreign():
    class Plain(Local):
        name = models.CharField(max_length=9)

    Plain.name = property(lambda self: self.__dict__["name"], lambda self, value: self.__dict__.update(name=value))
    assert reading(Plain.objects.all()) is FOREIGN


@isolate_apps("tracks_site")
def test_the_models_that_come_along_count_too():
    class Author(Local):
        name = Shouting(max_length=9)

    class Book(Local):
        author = models.ForeignKey(Author, models.CASCADE)
        other = models.ForeignKey(Group, models.CASCADE)

    assert reading(Book.objects.all()) is VETTED
    assert reading(Book.objects.select_related("other")) is VETTED
    assert reading(Book.objects.prefetch_related("other")) is VETTED
    assert reading(Book.objects.select_related("author")) is FOREIGN
    assert reading(Book.objects.select_related("other", "author")) is FOREIGN
    # Every relation that is not null.
    with warnings.catch_warnings():
        # Django 6.1 advises against it.
        warnings.simplefilter("ignore")
        assert reading(Book.objects.select_related()) is FOREIGN
    assert reading(Book.objects.prefetch_related("author")) is FOREIGN
    assert reading(Book.objects.prefetch_related(models.Prefetch("author", Author.objects.all()))) is FOREIGN
    assert reading(Book.objects.filter(author__name="a")) is FOREIGN


def test_a_path_to_a_field_of_the_projects_is_foreign_and_others_are_not(monkeypatch):
    assert judged(lambda: Permission.objects.aget(content_type__app_label="a")) is VETTED
    monkeypatch.setattr(verdicts, "paths_matter", lambda: True)
    assert judged(lambda: Permission.objects.aget(content_type__app_label__startswith="a")) is VETTED
    assert judged(lambda: Permission.objects.aget(codename="a", group__user__username="b")) is VETTED

    def fields(model, usual=verdicts._fields):
        return "a field" if model is User else usual(model)

    monkeypatch.setattr(verdicts, "_fields", fields)
    verdicts._path.cache_clear()
    assert judged(lambda: Permission.objects.aget(codename="a", group__user__username="b")) is FOREIGN
    # Names within expressions are not followed.
    assert judged(lambda: Permission.objects.aget(models.Q(group__name="b"))) is FOREIGN
    verdicts._path.cache_clear()


# --- querysets and managers ---


class Silent(QuerySet):
    def named(self, name):
        return self.filter(name=name)


class Loud(QuerySet):
    def _fetch_all(self):
        super()._fetch_all()


class Cloned(QuerySet):
    def _clone(self):
        return super()._clone()


class Created(QuerySet):
    def create(self, **kwargs):
        return super().create(**kwargs)


def test_a_queryset_that_redefines_anything_of_djangos_is_foreign():
    assert reading(Silent(Item).named("a")) is VETTED
    assert judged(lambda: Silent(Item).acreate(name="a")) is VETTED
    for kind in (Loud, Cloned, Created):
        assert judged(kind(Item).afirst) is FOREIGN
        assert judged(kind(Item).acount) is FOREIGN
        assert judged(kind(Item).adelete) is FOREIGN
        assert judged(lambda kind=kind: kind(Item).aget_or_create(name="a")) is FOREIGN


@isolate_apps("tracks_site")
def test_a_manager_that_makes_another_queryset_counts_where_the_orm_asks_it():
    class Shown(models.Manager):
        def get_queryset(self):
            return super().get_queryset().filter(shown=True)

        def only_named(self, name):
            return self.filter(name=name)

    class Author(Local):
        pass

    class Book(Local):
        author = models.ForeignKey(Author, models.CASCADE)
        shown = models.BooleanField(default=True)
        objects = Shown()

    # What the project's manager does was done on the loop; what deletes and relations make of it was not.
    assert judged(Author(pk=1).book_set.acreate) is FOREIGN
    assert judged(lambda: sync_to_async(Book.objects.get)(pk=1)) is FOREIGN
    assert reading(Author.objects.prefetch_related("book_set")) is FOREIGN
    assert judged(Author(pk=1).adelete) is FOREIGN


@isolate_apps("tracks_site")
def test_related_managers_of_the_project():
    class Author(Local):
        pass

    class Book(Local):
        author = models.ForeignKey(Author, models.CASCADE)
        objects = models.Manager.from_queryset(Silent)()

    class Note(Local):
        author = models.ForeignKey(Author, models.CASCADE)
        objects = models.Manager.from_queryset(Created)()

    author = Author(pk=1)
    assert judged(author.book_set.acreate) is VETTED
    assert judged(lambda: author.book_set.aadd(Book(pk=1))) is VETTED
    assert judged(lambda: author.book_set.aset([])) is VETTED
    assert judged(lambda: author.book_set.aget_or_create(pk=1)) is VETTED
    assert judged(author.note_set.acreate) is FOREIGN
    assert judged(lambda: author.note_set.aadd(Note(pk=1))) is FOREIGN


# --- what a call is given ---


class Doubled(models.Func):
    function = "double"

    def as_sql(self, *args, **kwargs):
        return super().as_sql(*args, **kwargs)


class Almost(models.Lookup):
    lookup_name = "almost"

    def as_sql(self, compiler, connection):
        return "1", []


class Odd:
    def __str__(self):
        return "odd"

    __int__ = __index__ = lambda self: 1


class Word(str):
    __slots__ = ()

    def __str__(self):
        return "word"


def test_expressions_of_the_project_are_foreign():
    doubled = Item.objects.annotate(twice=Doubled("name"))
    assert reading(Item.objects.annotate(low=Lower("name"))) is VETTED
    assert reading(doubled) is FOREIGN
    assert judged(doubled.acount) is FOREIGN
    assert reading(Item.objects.filter(name=Doubled("name"))) is FOREIGN
    assert reading(Item.objects.order_by(Doubled("name"))) is FOREIGN
    assert reading(Item.objects.filter(models.Exists(doubled))) is FOREIGN
    assert reading(Item.objects.filter(pk__in=doubled.values("pk"))) is FOREIGN
    assert reading(Item.objects.union(doubled.values("pk", "name"))) is FOREIGN
    assert judged(lambda: Item.objects.aaggregate(n=models.Max(Doubled("name")))) is FOREIGN
    assert judged(lambda: Item.objects.aupdate(name=Doubled("name"))) is FOREIGN
    assert judged(lambda: Item.objects.aget(name=Doubled("name"))) is FOREIGN


def test_an_annotation_that_a_property_would_take_is_foreign():
    assert reading(User.objects.annotate(is_anonymous=models.Value(1))) is FOREIGN
    assert judged(User.objects.annotate(is_anonymous=models.Value(1)).acount) is VETTED


def test_output_fields_of_the_project_are_foreign():
    assert reading(Item.objects.annotate(a=models.Value("a", output_field=models.CharField()))) is VETTED
    assert reading(Item.objects.annotate(a=models.Value("a", output_field=Shouting()))) is FOREIGN


def test_lookups_of_the_project_are_foreign():
    with register(models.CharField, Almost):
        assert reading(Item.objects.filter(name__almost="a")) is FOREIGN
        assert judged(lambda: Item.objects.aget(name__almost="a")) is FOREIGN
        assert judged(lambda: Item.objects.aget(name__startswith="a")) is VETTED
        assert judged(lambda: Item.objects.aget(name="a")) is VETTED


@contextlib.contextmanager
def register(field, lookup):
    field.register_lookup(lookup)
    verdicts.paths_matter.cache_clear()
    try:
        yield
    finally:
        field._unregister_lookup(lookup)
        verdicts.paths_matter.cache_clear()


PLAIN = [1, "a", None, b"", 1.5, decimal.Decimal(1), uuid.UUID(int=1), datetime.date.today(), timezone.now(), [1, 2]]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_are_vetted(value):
    name = "name__in" if isinstance(value, list) else "name"
    assert judged(lambda: Item.objects.aget(**{name: value})) is VETTED


@pytest.mark.parametrize("value", [Odd(), Word("a"), (each for each in "a"), lambda: "a"], ids=type)
def test_values_with_code_of_the_project_are_foreign(value):
    assert judged(lambda: Item.objects.aget(name=value)) is FOREIGN
    assert judged(lambda: Item.objects.aget(name__in=[value])) is FOREIGN
    assert judged(lambda: Item.objects.acreate(name=value)) is FOREIGN
    assert judged(Item(name=value).asave) is FOREIGN
    assert judged(lambda: Item.objects.abulk_create([Item(name=value)])) is FOREIGN
    assert judged(lambda: Item.objects.aget_or_create(pk=1, defaults={"name": value})) is FOREIGN


def test_a_lazy_user_counts_as_what_it_is_once_it_is_known():
    lazy = SimpleLazyObject(lambda: USER)
    assert judged(lambda: Group.objects.aget(user=lazy)) is FOREIGN
    assert lazy.pk == 1
    assert judged(lambda: Group.objects.aget(user=lazy)) is VETTED


@isolate_apps("tracks_site")
def test_properties_set_by_a_constructor_are_foreign():
    class Doubles(Local):
        name = models.CharField(max_length=9)

        @property
        def twice(self):
            return self.name * 2

        @twice.setter
        def twice(self, value):
            self.name = value[:1]

    assert judged(lambda: Doubles.objects.acreate(name="a")) is VETTED
    assert judged(lambda: Doubles.objects.acreate(twice="aa")) is FOREIGN
    assert judged(lambda: Doubles.objects.aget_or_create(name="a", defaults={"twice": "aa"})) is FOREIGN
    assert judged(lambda: Doubles.objects.aupdate_or_create(name="a", defaults={"twice": "aa"})) is FOREIGN


def test_what_is_too_large_to_look_at_is_foreign():
    assert judged(lambda: Item.objects.aget(pk__in=list(range(300)))) is VETTED
    assert judged(lambda: Item.objects.aget(pk__in=list(range(3000)))) is FOREIGN
    assert judged(lambda: Item.objects.abulk_create([Item() for _ in range(50)])) is VETTED
    assert judged(lambda: Item.objects.abulk_create([Item() for _ in range(500)])) is FOREIGN
