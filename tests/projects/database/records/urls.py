from django.apps import apps
from django.urls import path

from records import cached, views

urlpatterns = [
    path("user/", views.user),
    path("user/sync/", views.user_on_a_thread),
    path("user/together/", views.user_together),
    path("reads/", views.ten_reads),
    path("reads/sync/", views.ten_reads_on_a_thread),
    path("transaction/", views.transaction_over_hops),
    path("names/", views.names),
    path("facts/", views.facts),
    path("cache/", cached.value),
    path("cache/sync/", cached.value_on_a_thread),
    path("visits/", cached.visits),
    path("visits/sync/", cached.visits_on_a_thread),
]
if apps.is_installed("django_async_backend"):
    from records import natively

    urlpatterns += [path("natively/", natively.reads), path("natively/undone/", natively.undone)]
handler404 = "records.views.not_found"
