"""A thread for code of the project's that runs on the loop outside of any request, such as a startup hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asgiref.sync import SyncToAsync

from turnout.django.hops import RequestContext, RequestThread, ThreadSource


@contextmanager
def own_thread(source: ThreadSource) -> Iterator[None]:
    """`sync_to_async` and the ORM's a-methods run on a thread of `source` inside; its connection is settled afterwards.

    Without it they would share asgiref's one thread for everything, whose connections nobody closes. Tasks that are
    started inside and go on afterwards borrow a thread for each call, as those of a request do.
    """
    thread = RequestThread(source)
    context = RequestContext()
    SyncToAsync.context_to_thread_executor[context] = thread
    token = SyncToAsync.thread_sensitive_context.set(context)
    try:
        yield
    finally:
        SyncToAsync.thread_sensitive_context.reset(token)
        thread.release()
