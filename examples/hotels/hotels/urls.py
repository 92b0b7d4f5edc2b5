"""The page, and the five ways under one prefix."""

from django.urls import path

from . import pages, ways

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
]
