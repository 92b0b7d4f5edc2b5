"""The routes; bench/scenarios/ names them."""

from django.urls import path

from . import views

urlpatterns = [
    path("facts/", views.facts),
    path("json/sync/", views.json_sync),
    path("json/async/", views.json_async),
    path("orm/", views.orm),
    path("drf/", views.JsonView.as_view()),
    path("adrf/", views.AsyncJsonView.as_view()),
    path("cpu/", views.cpu),
    path("block/", views.block),
    path("calls/adrf/", views.AsyncCallsView.as_view()),
    path("calls/drf/", views.CallsView.as_view()),
    path("calls/sync/", views.calls_sync),
    path("calls/async/", views.calls_async),
    path("events/sync/", views.events_sync),
    path("events/async/", views.events_async),
]
