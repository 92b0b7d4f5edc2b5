"""All judges, registered at the start, after the project's apps had their turn to replace what they replace."""

from __future__ import annotations

import sys

from django.apps import apps

from turnout.django.targets import caches


def install() -> None:
    """Once a process; a second call changes nothing but what was replaced meanwhile."""
    caches.install()
    # Importing the ORM takes a tenth of a second: a project without it is spared that.
    if "django.db.models.query" not in sys.modules:
        return
    from turnout.django.targets import orm

    orm.install()
    if apps.is_installed("django.contrib.sessions"):
        from turnout.django.targets import sessions

        sessions.install()
    if apps.is_installed("django.contrib.auth"):
        from turnout.django.targets import auth

        auth.install()
    if "adrf.views" in sys.modules:
        from turnout.django.targets import drf

        drf.install()
