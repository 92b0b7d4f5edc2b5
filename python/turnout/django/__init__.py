"""How turnout hosts a Django project: two tracks, vetted hooks on the loop, a thread for the rest while it runs.

The Rust side calls `handler.DjangoHandler` and nothing else of this package; a project may use what is named here.
"""

from turnout.django.nonblocking import non_blocking

__all__ = ["non_blocking"]
