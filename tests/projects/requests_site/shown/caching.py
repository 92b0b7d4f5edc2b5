"""A cache that turnout does not know, so that each thread has its own."""

import threading

from django.core.cache.backends.locmem import LocMemCache

from shown.said import say


class OwnCache(LocMemCache):
    """Says where it is closed."""

    def close(self, **kwargs):
        say("own cache closed on", threading.current_thread().name)
