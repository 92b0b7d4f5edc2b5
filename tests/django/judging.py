"""For tests of the judges: what the first hop of a coroutine would run."""

from __future__ import annotations

import asyncio

from django.db import models

from turnout.django.targets import Runs, auth, caches, databases, known, provenance, runs, sessions, values
from turnout.django.targets import models as verdicts

LOOKS = dict(values._looks)


def start() -> None:
    """As at the start of a process."""
    for module in (provenance, verdicts, values, databases, caches, sessions, auth):
        for found in vars(module).values():
            if hasattr(found, "cache_clear"):
                found.cache_clear()
    databases._engines.clear()
    values._looks.clear()
    values._looks.update(LOOKS)
    known.install()


class Local(models.Model):
    """What the tests' models inherit: to which app they belong, and nothing else."""

    class Meta:
        abstract = True
        app_label = "tracks_site"


class Judged(BaseException):
    """Instead of the hop; sessions catch every Exception."""


def judged(make) -> Runs:
    """What the first hop of a coroutine would run: the call as asgiref submits it, which is then not made."""

    class Loop:
        found: Runs | None = None

    async def main():
        loop = asyncio.get_running_loop()
        usual = loop.run_in_executor

        def look(executor, call, *args):
            Loop.found = runs(call)
            raise Judged

        loop.run_in_executor = look
        try:
            await make()
        except Judged:
            pass
        finally:
            loop.run_in_executor = usual

    asyncio.run(main())
    assert Loop.found is not None, "there was no hop"
    return Loop.found


def reading(queryset) -> Runs:
    """`async for`."""

    async def read():
        async for _ in queryset:
            pass

    return judged(read)
