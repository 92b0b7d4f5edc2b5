"""All judges, registered at the start, after the project's apps had their turn to replace what they replace."""

from __future__ import annotations

import sys


def install() -> None:
    """Once a process; a second call changes nothing but what was replaced meanwhile."""
    # Importing the ORM takes a tenth of a second: a project without it is spared that.
    if "django.db.models.query" in sys.modules:
        from turnout.django.targets import orm

        orm.install()
