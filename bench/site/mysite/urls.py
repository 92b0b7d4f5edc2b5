"""The routes; bench/scenarios/ names them."""

from django.urls import path

from . import gather, views

urlpatterns = [
    path("facts/", views.facts),
    path("json/sync/", views.json_sync),
    path("json/async/", views.json_async),
    path("steps/", views.steps),
    path("orm/", views.orm),
    path("orm/sync/", views.orm_sync),
    path("drf/", views.JsonView.as_view()),
    path("adrf/", views.AsyncJsonView.as_view()),
    path("cpu/", views.cpu),
    path("block/", views.block),
    path("calls/adrf/", views.AsyncCallsView.as_view()),
    path("calls/drf/", views.CallsView.as_view()),
    path("calls/sync/", views.calls_sync),
    path("calls/async/", views.calls_async),
    path("gather/turnout/", gather.turnout_agather),
    path("gather/turnout-capped/", gather.capped_agather),
    path("gather/turnout-sync/", gather.turnout_gather),
    path("gather/aiohttp/", gather.aiohttp_gather),
    path("gather/pyreqwest/", gather.pyreqwest_gather),
    path("gather/requests/", gather.requests_pool),
    path("stamped/turnout/", gather.turnout_stamped),
    path("stamped/aiohttp/", gather.aiohttp_stamped),
    path("merge/lazy/", gather.turnout_lazy),
    path("merge/turnout/", gather.turnout_merged),
    path("merge/aiohttp/", gather.aiohttp_merged),
    path("large/turnout/", gather.turnout_large),
    path("large/lazy/", gather.lazy_large),
    path("large/aiohttp/", gather.aiohttp_large),
    path("events/sync/", views.events_sync),
    path("events/async/", views.events_async),
]
