"""The functions of Django's that judges know, by name: what vetting.py keeps hashes of.

Names only: the table is written where no project is. A function is hashed with what it calls itself, to a depth of one:
the verdict says no more than that no code of the project's runs, and that is looked at where such code could come in
(the classes, their overrides, the receivers, replaced functions anywhere in the ORM), each time or once a model.
"""

from __future__ import annotations

_QUERYSET = "django.db.models.query.QuerySet."
_RELATED = "django.db.models.fields.related_descriptors."

ORM = (
    *(
        f"{_QUERYSET}{name}"
        for names in (
            ("_fetch_all", "get", "first", "last", "earliest", "latest", "in_bulk"),
            ("aggregate", "count", "exists", "contains", "explain"),
            ("create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "update", "delete"),
        )
        for name in names
    ),
    "django.db.models.query.RawQuerySet._fetch_all",
    "django.db.models.query.prefetch_related_objects",
    *(f"django.db.models.base.Model.{name}" for name in ("save", "delete", "refresh_from_db")),
    "django.contrib.auth.base_user.AbstractBaseUser.save",
    f"{_RELATED}create_reverse_many_to_one_manager",
    f"{_RELATED}create_forward_many_to_many_manager",
    "django.contrib.contenttypes.fields.create_generic_related_manager",
    "django.db.models.manager.BaseManager._get_queryset_methods",
)

_BACKENDS = "django.core.cache.backends."
_KEPT = {
    "base.BaseCache": ("get_or_set", "get_many", "set_many", "delete_many", "has_key", "incr", "incr_version", "close"),
    "dummy.DummyCache": ("add", "get", "set", "touch", "delete", "has_key", "clear"),
    "locmem.LocMemCache": ("add", "get", "set", "touch", "delete", "has_key", "incr", "clear"),
    "filebased.FileBasedCache": ("add", "get", "set", "touch", "delete", "has_key", "clear"),
    "db.DatabaseCache": ("add", "get", "get_many", "set", "touch", "delete", "delete_many", "has_key", "clear"),
    "redis.RedisCache": (
        *("add", "get", "get_many", "set", "set_many", "touch", "delete", "delete_many"),
        *("has_key", "incr", "clear"),
    ),
    "memcached.BaseMemcachedCache": (
        *("add", "get", "get_many", "set", "set_many", "touch", "delete", "delete_many"),
        *("incr", "clear", "close"),
    ),
    "memcached.PyLibMCCache": ("touch", "close"),
}
CACHES = tuple(f"{_BACKENDS}{cls}.{name}" for cls, names in _KEPT.items() for name in names)

_STORES = "django.contrib.sessions.backends."
_LIKE_A_DICT = (
    "get",
    "pop",
    "setdefault",
    "update",
    "has_key",
    "keys",
    "values",
    "items",
    "__getitem__",
    "__contains__",
)
_STORED = ("load", "exists", "create", "save", "delete", "clear_expired")
SESSIONS = (
    *(f"{_STORES}base.SessionBase.{name}" for name in (*_LIKE_A_DICT, "flush", "cycle_key")),
    *(f"{_STORES}{engine}.SessionStore.{name}" for engine in ("db", "cache", "file") for name in _STORED),
    *(f"{_STORES}cached_db.SessionStore.{name}" for name in ("load", "exists", "save", "delete", "flush")),
    *(f"{_STORES}signed_cookies.SessionStore.{name}" for name in (*_STORED, "cycle_key")),
)
SESSION_SAVED = f"{_STORES}db.SessionStore.asave"

_AUTH = "django.contrib.auth."
_GRANTED = ("get_user_permissions", "get_group_permissions", "get_all_permissions", "has_perm", "has_module_perms")
AUTH_CONSTANTS = (
    *(f"{_AUTH}backends.BaseBackend.{name}" for name in ("authenticate", "get_user", *_GRANTED[:2])),
    f"{_AUTH}backends.RemoteUserBackend.configure_user",
)
AUTH_HASHERS = tuple(f"{_AUTH}hashers.{name}" for name in ("check_password", "make_password"))
AUTH_PERMISSIONS = (
    *(f"{_AUTH}backends.ModelBackend.{name}" for name in ("get_user", *_GRANTED)),
    *(f"{_AUTH}models.PermissionsMixin.{name}" for name in (*_GRANTED, "has_perms")),
)
AUTH_REQUESTS = tuple(f"{_AUTH}{name}" for name in ("login", "logout", "get_user"))
_AUTH_OTHERS = (
    *(f"{_AUTH}base_user.AbstractBaseUser.{name}" for name in ("check_password", "set_password")),
    f"{_AUTH}decorators.login_required",
    "django.contrib.admin.views.decorators.staff_member_required",
    "django.dispatch.dispatcher.Signal.asend",
    "django.dispatch.dispatcher.Signal.asend_robust",
)

FUNCTIONS = (
    *(*ORM, *CACHES, *SESSIONS, SESSION_SAVED),
    *(*AUTH_CONSTANTS, *AUTH_HASHERS, *AUTH_PERMISSIONS, *AUTH_REQUESTS, *_AUTH_OTHERS),
)
