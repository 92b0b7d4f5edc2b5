import functools

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path, register_converter
from django.urls.converters import IntConverter

from site_ import views


class Even(IntConverter):
    def to_python(self, value):
        if int(value) > 100:
            raise LookupError("no database here")
        if int(value) % 2:
            raise ValueError
        return int(value)


register_converter(Even, "even")

urlpatterns = [
    path("", views.sync, name="front"),
    path("async/", views.asynchronous),
    path("free/", views.not_atomic),
    path("partial/", functools.partial(views.sync, more=1)),
    path("instance/", views.Instance()),
    path("shop/", include("site_.shop")),
    path("many/", include(([path(f"n{n}/", views.sync) for n in range(15)], "many"), namespace="few")),
    re_path(r"^year/(?P<y>[0-9]{4})/$", views.Async.as_view(), name="year"),
]
if getattr(settings, "CONVERTED", True):
    urlpatterns += [path("even/<even:n>/", views.asynchronous, name="even"), path("behind/", views.Sync.as_view())]
if settings.USE_I18N:
    urlpatterns += i18n_patterns(path("hotel/<int:pk>/", views.Async.as_view(), name="hotel"))
