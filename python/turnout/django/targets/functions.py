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
FUNCTIONS = ORM
