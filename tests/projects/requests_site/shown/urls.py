"""Views that compare the request they got with the one Django makes of the same scope or environ."""

import io
import threading

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import get_script_prefix, include, path, reverse

from shown import leaving, special


def compare(request):
    if type(request) is WSGIRequest:
        # The constructor has replaced the path in the environ by the decoded one.
        environ = {**request.environ, "PATH_INFO": request.environ["PATH_INFO"].encode().decode("latin-1")}
        again = WSGIRequest(environ)
    else:
        scope = {key: value for key, value in request.scope.items() if not key.startswith("_turnout")}
        again = ASGIRequest(scope, io.BytesIO())
    same = {}
    for name in (
        "path",
        "path_info",
        "method",
        "content_type",
        "content_params",
        "GET",
        "COOKIES",
        "encoding",
        "headers",
    ):
        same[name] = getattr(request, name) == getattr(again, name)
    return JsonResponse(
        {
            "class": f"{type(request).__module__}.{type(request).__qualname__}",
            "different": [name for name, equal in same.items() if not equal],
            "meta": {
                key: [repr(request.META.get(key)), repr(again.META.get(key))]
                for key in request.META.keys() | again.META.keys()
                if request.META.get(key, "absent") != again.META.get(key, "absent")
            },
            "attributes": sorted(again.__dict__.keys() - request.__dict__.keys() - {"_stream"}),
            "body": len(request.body),
            "post": dict(request.POST.items()),
            "uri": request.build_absolute_uri(),
            "path": request.path,
            "path_info": request.path_info,
            "script_name": request.META["SCRIPT_NAME"],
            "prefix": get_script_prefix(),
            "reversed": reverse("reversed"),
            "thread": threading.current_thread().name,
        }
    )


async def with_rest(request, rest):
    return compare(request)


def worded(request, kind):
    """An answer of each kind, with a reason phrase of its own."""
    if kind == "whole":
        return HttpResponse("words", status=418, reason="Short and stout")
    content = open(__file__, "rb") if kind == "file" else iter([b"words"])  # noqa: SIM115
    return (FileResponse if kind == "file" else StreamingHttpResponse)(content, status=418, reason="Short and stout")


async def async_worded(request, kind):
    return worded(request, kind)


urlpatterns = [
    path("reversed/", compare, name="reversed"),
    path("worded/sync/<kind>", worded),
    path("worded/async/<kind>", async_worded),
    path("sync/<path:rest>", lambda request, rest: compare(request)),
    path("async/<path:rest>", with_rest),
    path("leaving/async", leaving.an_async_view),
    path("leaving/blocking", leaving.a_sync_view),
    path("leaving/answering", leaving.a_view_that_answers),
    path("leaving/stream", leaving.a_stream),
    path("special/", include(special)),
]
