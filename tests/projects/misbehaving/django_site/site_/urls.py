from django.urls import path

from . import views


def made_async(view):
    async def async_view(request):
        return view(request)

    return async_view


MISDEEDS = {
    "fine": views.fine,
    "pid": views.pid,
    "status/0": views.bent_status(0),
    "status/99": views.bent_status(99),
    "status/1000": views.bent_status(1000),
    "status/abc": views.bent_status("abc"),
    "header/crlf": views.header("X-Evil", "a\r\nSet-Cookie: b=c"),
    "header/nul": views.header("X-Evil", "a\x00b"),
    "header/name": views.header("X Evil", "a"),
    "length/short": views.header("Content-Length", "2"),
    "length/long": views.header("Content-Length", "200"),
    "body/204": views.no_content,
    "raise": views.raises,
    "no-response": views.none,
    "sys-exit": views.sys_exit,
    "memory": views.memory,
    "os-exit": views.os_exit,
    "sigsegv": views.sigsegv,
    "sigkill": views.sigkill,
}

urlpatterns = [
    path("sync/slow", views.slow),
    path("async/slow", views.slow_async),
    path("sync/raise-midway", views.raises_midway),
    path("async/raise-midway", views.raises_midway_async),
    *(path(f"sync/{name}", view) for name, view in MISDEEDS.items()),
    *(path(f"async/{name}", made_async(view)) for name, view in MISDEEDS.items()),
]
