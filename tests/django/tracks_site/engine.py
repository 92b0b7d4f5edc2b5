"""A session engine and cache keys that are not Django's, though they look like it."""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    pass


def key(key, key_prefix, version):
    return f"ours:{key_prefix}:{version}:{key}"
