"""Where turnout does not answer as Django's own handlers do, and why that is right. Whatever is not here is a fault.

An entry that a whole run of its group does not meet any more is a fault too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Differences that somebody has looked at. Every field is a regular expression for the whole of what was found."""

    #: The group of suites that has it.
    group: str
    test: str
    #: "wsgi sync" is turnout's sync chain beside WSGIHandler; "asgi" alone is Django's ASGIHandler beside WSGIHandler.
    handler: str
    #: Of the answer, or of what happened beside it.
    field: str
    why: str
    theirs: str = ".*"
    ours: str = ".*"
    #: The releases of Django that have it.
    django: str = ".*"

    def belongs_to(self, group: str, django: str) -> bool:
        """Whether a run of this group under this release may meet it."""
        return self.group == group and re.fullmatch(self.django, django) is not None

    def covers(self, found: dict) -> bool:
        """Whether this is it."""
        fields = ("test", "handler", "field", "theirs", "ours")
        return all(re.fullmatch(getattr(self, name), str(found[name]), re.DOTALL) for name in fields)


NO_URLCONF = r"urlpatterns_reverse\.tests\.NoRootUrlConfTests\.test_no_handler_exception"
BROKEN_STREAM = r"urlpatterns_reverse\.tests\.RequestURLconfTests\.test_reverse_outer_in_streaming"

KNOWN = [
    Known(
        "sites",
        NO_URLCONF,
        "[aw]sgi a?sync.*",
        "raised",
        "a ROOT_URLCONF that cannot be read is an error of the start",
        theirs="None",
        ours="ImproperlyConfigured: The included URLconf 'None' does not appear to have any patterns in it.*",
    ),
    Known(
        "sites",
        NO_URLCONF,
        "[aw]sgi a?sync.*",
        "status|headers|body|signals|logs",
        "so there is no request",
        ours=r"None|\[\]|",
    ),
    Known(
        "sites",
        BROKEN_STREAM,
        "[aw]sgi async.*",
        "raised",
        "Django lets its server cut off a stream that breaks",
        theirs="NoReverseMatch: .*",
        ours="cut off",
    ),
    Known(
        "sites",
        BROKEN_STREAM,
        "asgi( a?sync)?",
        "signals",
        "Django's ASGIHandler sends no request_finished after a stream that broke, its WSGIHandler and turnout do",
        theirs=r".*(finished <kind>|started).*",
    ),
    # Of Django's two handlers alone; turnout's chains give what the one of their kind gives.
    Known(
        "admin",
        r".*\.test_missing_slash_append_slash_true_force_script_name",
        "asgi",
        "headers",
        "ASGIRequest takes FORCE_SCRIPT_NAME to be part of the path already",
        theirs=r"\['Location: /prefix/test_admin.*",
        ours=r"\['Location: /test_admin.*",
    ),
    Known(
        "admin",
        r".*\.test_missing_slash_append_slash_true_script_name(_query_string)?",
        "asgi",
        "headers",
        "the test's SCRIPT_NAME ends in a slash: a WSGIRequest takes it off, a scope's path has both",
        theirs=r"\['Location: /prefix/test_admin.*",
        ours=r"\['Location: /prefix//test_admin.*",
        django=r"5\..*",
    ),
    Known(
        "admin",
        r".*\.test_missing_slash_append_slash_true_script_name(_query_string)?",
        "asgi",
        "status|headers|body|queries|signals",
        "the same test: since Django 6 an ASGIRequest takes the prefix off without its slash, and the URLconf sees two",
        django=r"6\..*",
    ),
]


def unknown(group: str, django: str, different: list[dict]) -> list[dict]:
    """What nobody has looked at."""
    mine = [known for known in KNOWN if known.belongs_to(group, django)]
    return [found for found in different if not any(known.covers(found) for known in mine)]


def gone(group: str, django: str, different: list[dict]) -> list[Known]:
    """What is there no more."""
    mine = [known for known in KNOWN if known.belongs_to(group, django)]
    return [known for known in mine if not any(known.covers(found) for found in different)]
