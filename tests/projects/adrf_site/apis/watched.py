"""The application, with a note of each hop (what it was judged to run, and which function) and of what is hashed."""

from apis import noted
from apis.asgi import application
from turnout.django import hops, vetting

__all__ = ["application"]

_submit = hops.RequestThread.submit


def submit(self, call, *args, **kwargs):
    target = call.args[-1].func
    noted.hops.append(f"{self._source.runs(call).value} {getattr(target, '__qualname__', target)}")
    return _submit(self, call, *args, **kwargs)


hops.RequestThread.submit = submit


_fingerprint = vetting.fingerprint


def fingerprint(found, name):
    noted.hashed.append(name)
    return _fingerprint(found, name)


vetting.fingerprint = fingerprint
