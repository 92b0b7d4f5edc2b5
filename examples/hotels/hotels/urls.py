"""The page, and the nine ways under one prefix."""

from django.urls import path

from . import pages, ways, with_turnout

app_name = "hotels"

urlpatterns = [
    path("", pages.front, name="front"),
    path("compare/", pages.compare, name="compare"),
    path("compare/<slug:comparison>/", pages.result, name="result"),
    path("search/one-after-another/", ways.one_after_another, name="one-after-another"),
    path("search/thread-pool/", ways.thread_pool, name="thread-pool"),
    path("search/gathered/", ways.gathered, name="gathered"),
    path("search/adrf/", ways.AdrfSearch.as_view(), name="adrf"),
    path("search/drf/", ways.DrfSearch.as_view(), name="drf"),
    path("search/http-gather/", with_turnout.gather, name="http-gather"),
    path("search/http-agather/", with_turnout.agather, name="http-agather"),
    path("search/http-merged/", with_turnout.merged, name="http-merged"),
    path("search/http-stream/", with_turnout.as_they_come, name="http-stream"),
    path("live/", with_turnout.live, name="live"),
]
