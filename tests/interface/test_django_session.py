"""A visitor's session is the same session behind turnout and behind Django's own handlers.

One script walks through a project (and the demo's admin) over sockets: login, forms, uploads, streams, conditional
requests, errors, logout. Behind turnout it gets the answers, and the project sees the signals and the log records, that
WSGIHandler gives behind the stdlib's server and ASGIHandler behind uvicorn.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from harness import serve
from visitor import Step, Visitor, in_the_admin, whole_session

PROJECTS = Path(__file__).parents[1] / "projects"
SITE = PROJECTS / "session_site"
HOTELS = Path(__file__).parents[2] / "examples" / "hotels"


@dataclass(frozen=True)
class Project:
    """What is served, and the session with it."""

    folder: Path
    application: str
    settings: str
    database: str
    session: Callable[[Visitor], None]


def hotels_session(visitor: Visitor) -> None:
    """The demo project: its page, and its admin from login to logout."""
    visitor.ask("GET", "/")
    visitor.ask("GET", "/compare/?city=&nights=0&way=none")
    visitor.ask("GET", "/compare/nowhere/")
    visitor.ask("GET", "/nowhere/")
    visitor.ask("HEAD", "/nowhere/")
    visitor.post("/admin/login/?next=/admin/", username="visitor", password="wrong")
    visitor.post("/admin/login/?next=/admin/", username="visitor", password="secret")
    in_the_admin(visitor, "auth/group", name="editors")
    visitor.ask("GET", "/admin/hotels/search/")
    visitor.ask("GET", "/search/gathered/?city=Lisbon")
    visitor.ask("GET", "/search/adrf/?city=")
    visitor.ask("GET", "/search/drf/?city=")
    visitor.post("/admin/logout/", "/admin/auth/group/add/")
    visitor.ask("GET", "/admin/")


SESSION_SITE = Project(SITE, "session_site.{kind}", "session_site.settings", "SESSION_DATABASE", whole_session)
DEMO = Project(HOTELS, "aggregator.{kind}", "aggregator.settings", "HOTELS_DATABASE", hotels_session)


@dataclass(frozen=True)
class Case:
    """A project, the kind of its entry point, DEBUG, and whether anybody listens to signals and reads log records."""

    project: Project
    kind: str
    debug: bool = False
    watched: bool = True

    def __str__(self) -> str:
        name = self.project.folder.name
        return f"{name}-{self.kind}{'-debug' if self.debug else ''}{'' if self.watched else '-unwatched'}"


CASES = [
    Case(project, kind, debug, watched)
    for kind in ("wsgi", "asgi")
    for project, debug, watched in (
        (SESSION_SITE, False, True),
        (SESSION_SITE, False, False),
        (SESSION_SITE, True, True),
        (DEMO, False, True),
    )
]


@dataclass(frozen=True)
class Known:
    """A difference that somebody has looked at: what each says that the other does not, and why that is right."""

    field: str
    theirs: str
    ours: str
    why: str
    asked: str = ".*"
    #: With DEBUG only.
    debug: bool = False

    def covers(self, difference: Difference) -> bool:
        """Whether this is it."""
        texts = [(self.asked, difference.asked), (self.theirs, difference.theirs), (self.ours, difference.ours)]
        return self.field == difference.field and all(re.fullmatch(pattern, text) for pattern, text in texts)


@dataclass(frozen=True)
class Difference:
    """Of lists what only one of them has, of texts from a little before they part."""

    asked: str
    field: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.asked}: {self.field}\n  theirs: {self.theirs}\n  ours:   {self.ours}"


KNOWN = [
    Known("headers", "", r"Content-Length: \d+", "Django leaves it to the server, which has all of the body"),
    Known(
        "headers",
        "Content-Length: 0",
        "",
        "a 304 must not tell another length than the answer it stands for (RFC 9110 section 8.6)",
        asked="(GET|HEAD) /(async-)?page/",
    ),
    Known(
        "headers",
        r"Content-Length: \d+",
        r"Content-Length: \d+",
        "the page of DEBUG counts frames of the server's",
        asked="HEAD .*",
        debug=True,
    ),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_session_is_the_same_session(case, reference, tmp_path, databases):
    with ours(case, databases(case.project), tmp_path) as visitor:
        case.project.session(visitor)
    found = list(differences(reference(case), visitor.steps, watched=case.watched))
    here = [known for known in KNOWN if case.debug or not known.debug]
    unknown = [difference for difference in found if not any(known.covers(difference) for known in here)]
    assert not unknown, "\n".join(map(str, unknown))
    if case.project is SESSION_SITE:
        # What is known without DEBUG is looked for without it: some of its pages tell more, and not in every release.
        expected = [known for known in KNOWN if known.debug == case.debug]
        assert [known for known in expected if not any(map(known.covers, found))] == [], (
            "no difference any more: strike it"
        )


def differences(theirs: list[Step], ours: list[Step], *, watched: bool) -> Iterator[Difference]:
    """In what the steps of two sessions are not the same."""
    assert [step.asked for step in ours] == [step.asked for step in theirs]
    fields = ["status", "headers", "cookies", "body", *(["events"] if watched else [])]
    for their, our in zip(theirs, ours, strict=True):
        for field in fields:
            this, other = getattr(their, field), getattr(our, field)
            if this != other:
                yield Difference(their.asked, field, *parted(this, other))


def parted(this: Any, other: Any) -> tuple[str, str]:
    if isinstance(this, list):
        here, there = [one for one in this if one not in other], [one for one in other if one not in this]
        if not here and not there:
            # Another order, or number.
            here, there = this, other
        return "\n".join(map(str, here)), "\n".join(map(str, there))
    same = next((at for at, pair in enumerate(zip(this, other, strict=False)) if pair[0] != pair[1]), len(this)) - 80
    same = max(0, same)
    return this[same : same + 300], other[same : same + 300]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Project], Path]:
    """A fresh copy of a project's database with one user, a superuser."""

    @cache
    def template(project: Project) -> Path:
        path = tmp_path_factory.mktemp("database") / "db.sqlite3"
        make = """
import django, sys
django.setup()
from django.core.management import call_command
from django.contrib.auth import get_user_model
call_command("migrate", verbosity=0, run_syncdb=True)
get_user_model().objects.create_superuser("visitor", "visitor@example.org", "secret")
"""
        environment = {**os.environ, project.database: str(path), "DJANGO_SETTINGS_MODULE": project.settings}
        subprocess.run([sys.executable, "-c", make], cwd=project.folder, env=environment, check=True)
        return path

    def copy(project: Project) -> Path:
        return Path(shutil.copy(template(project), tmp_path_factory.mktemp("copy") / "db.sqlite3"))

    return copy


@pytest.fixture(scope="module")
def reference(databases, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], list[Step]]:
    """The steps of a session with Django's own handler, always watched."""

    @cache
    def steps(project: Project, kind: str, debug: bool) -> list[Step]:
        case = Case(project, kind, debug)
        with djangos_own(case, databases(project), tmp_path_factory.mktemp("django")) as visitor:
            project.session(visitor)
        return visitor.steps

    return lambda case: steps(case.project, case.kind, case.debug)


def environment(case: Case, database: Path, folder: Path) -> tuple[dict[str, str], Path | None]:
    """What either server is started with, and where signals and log records go."""
    record = folder / "record" if case.watched else None
    made = {
        "SESSION_APPLICATION": case.project.application.format(kind=case.kind),
        case.project.database: str(database),
        "SESSION_DEBUG": str(int(case.debug)),
        "HOTELS_DEBUG": str(int(case.debug)),
        # Nobody there: what the demo says then is the same every time.
        "HOTELS_UPSTREAMS_URL": "http://127.0.0.1:9",
        "PYTHONPATH": os.pathsep.join([str(SITE), str(case.project.folder), os.environ.get("PYTHONPATH", "")]),
    }
    if record is not None:
        made["SESSION_RECORD"] = str(record)
    return made, record


@contextmanager
def ours(case: Case, database: Path, folder: Path) -> Iterator[Visitor]:
    """`turnout serve`."""
    more, record = environment(case, database, folder)
    # What turnout adds for DEBUG and staff is no part of the answer that Django gives.
    options = ["--workers", "1", "--server-timing", "off"]
    with serve(["recorded:application", *options], cwd=SITE, env=more) as serving:
        yield Visitor(serving.port, record)


@contextmanager
def djangos_own(case: Case, database: Path, folder: Path) -> Iterator[Visitor]:
    """Django's handler behind somebody else's server."""
    more, record = environment(case, database, folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "djangos_own.py", case.kind],
            cwd=SITE,
            env={**inherited, **more},
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        assert port, log.read_text()
        yield Visitor(int(port), record)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        # Waits for it, and closes the pipe.
        process.communicate()
