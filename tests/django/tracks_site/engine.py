"""A session engine, cache keys and a cache that are not Django's, though they look like it."""

import threading

from django.contrib.sessions.backends import db
from django.core.cache.backends.locmem import LocMemCache

closed_by = []


class SessionStore(db.SessionStore):
    pass


def key(key, key_prefix, version):
    return f"ours:{key_prefix}:{version}:{key}"


class Connected(LocMemCache):
    """As memcached's: something is to be closed at the end of a request."""

    def close(self, **kwargs):
        closed_by.append(threading.current_thread().name)
