"""The application named by SESSION_APPLICATION, watched: signals and log records go to the file SESSION_RECORD.

Without SESSION_RECORD nobody listens, as in most projects; turnout then leaves out what only Django's own receivers do.
"""

import importlib
import json
import logging
import os

application = importlib.import_module(os.environ["SESSION_APPLICATION"]).application


def watch(path):
    from django.contrib.auth import signals as users
    from django.core import signals
    from django.db.models import signals as models

    # One write a line, so that threads do not mix theirs.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(*what):
        os.write(file, json.dumps(what).encode() + b"\n")

    def name(kind):
        return getattr(kind, "__qualname__", None) and f"{kind.__module__}.{kind.__qualname__}"

    def connect(title, signal, what):
        def receiver(sender, signal, **given):
            said = what(given)
            # A session that is saved, the last login of a user: what counts is that they are.
            say("signal", title, name(sender), *([said] if said else []))

        signal.connect(receiver, weak=False)

    connect("request_started", signals.request_started, sorted)
    connect("got_request_exception", signals.got_request_exception, lambda given: given["request"].path)
    connect("user_logged_in", users.user_logged_in, lambda given: str(given["user"]))
    connect("user_logged_out", users.user_logged_out, lambda given: str(given["user"]))
    connect("user_login_failed", users.user_login_failed, lambda given: sorted(given["credentials"]))
    connect("pre_save", models.pre_save, lambda given: type(given["instance"]).__name__)
    connect("post_save", models.post_save, lambda given: [type(given["instance"]).__name__, given["created"]])
    connect("post_delete", models.post_delete, lambda given: type(given["instance"]).__name__)
    connect("request_finished", signals.request_finished, lambda given: None)

    class Records(logging.Handler):
        def emit(self, record):
            if record.name.partition(".")[0] in ("django", "session_site"):
                error = (
                    record.exc_info and record.exc_info[0] and f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
                )
                extra = [getattr(record, "status_code", None), type(getattr(record, "request", None)).__name__]
                say("log", record.name, record.levelname, record.msg, repr(record.args), error, extra)

    logging.getLogger().addHandler(Records())


if "SESSION_RECORD" in os.environ:
    watch(os.environ["SESSION_RECORD"])
