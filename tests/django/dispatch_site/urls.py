from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy as _

from dispatch_site import converters, views

handler404 = "dispatch_site.views.missing"

inner = [path("sync/", views.sync_view), path("async/", views.async_view)]

urlpatterns = [
    path("", views.async_view),
    path("sync/", views.sync_view),
    path("async/", views.async_view),
    path("hopping/", views.hopping),
    path("class/sync/", views.SyncClass.as_view()),
    path("class/async/", views.AsyncClass.as_view()),
    path("item/<int:n>/", views.async_view),
    path("item/<slug:n>/", views.sync_view),
    re_path(r"^old/(?P<year>[0-9]{4})/$", views.sync_view),
    path("in/<str:city>/", include(inner)),
    path("group/<group:n>/", views.converted),
    path("async-group/<group:n>/", views.async_converted),
    path("parity/<even:n>/", views.async_view),
    path("parity/<int:n>/", views.sync_view),
    path("asked/", views.asked),
    path("hold/", views.hold),
    path("release/<int:n>/", views.release),
    path("on-the-loop/", views.on_the_loop),
    *i18n_patterns(
        path("page/", views.async_view),
        path("sheet/", views.sync_view),
        path(_("about/"), views.async_view),
    ),
]

assert converters
