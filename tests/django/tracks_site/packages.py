"""What the middleware of packages is tried with."""

from asgiref.sync import sync_to_async
from csp.middleware import CSPMiddleware
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import include, path, reverse_lazy

from tracks_site import views


async def anyone(request):
    return HttpResponse(str(request.user.is_authenticated))


async def span(request):
    """The current span here and in a hop."""
    from opentelemetry import trace

    def current():
        return trace.get_current_span().name

    return HttpResponse(f"{current()}, {await sync_to_async(current)()}")


async def flags(request):
    """Cookies as waffle's flags and samples leave them to its middleware."""
    request.waffles = {"beta": (True, True), "old": (False, True)}
    request.waffle_tests = {"beta": True}
    return HttpResponse("flags")


async def decorated(request):
    response = HttpResponse("decorated")
    response._csp_update = {"img-src": ["example.com"]}
    return response


async def reporting(request):
    response = HttpResponse("reporting")
    response._csp_update = {"report-uri": [reverse_lazy("reporting")]}
    return response


async def nonce(request):
    return HttpResponse(str(request.csp_nonce))


async def streamed(request):
    async def chunks():
        yield b"one"
        yield b"two"

    return StreamingHttpResponse(chunks())


def on_thread(request):
    return HttpResponse("sync")


class OwnPolicy(CSPMiddleware):
    def get_policy_parts(self, *args, **kwargs):
        return super().get_policy_parts(*args, **kwargs)


urlpatterns = [
    path("answer/", views.answer),
    path("touch/", views.touch),
    path("boom/", views.boom),
    path("anyone/", anyone),
    path("span/", span),
    path("flags/", flags),
    path("decorated/", decorated),
    path("reporting/", reporting, name="reporting"),
    path("nonce/", nonce),
    path("streamed/", streamed),
    path("on-thread/", on_thread),
    path("accounts/", include([path("login/", views.answer, name="account_login")])),
    path("accounts/email/", views.answer, name="account_email"),
]
