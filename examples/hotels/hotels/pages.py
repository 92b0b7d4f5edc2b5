"""The page: a form, and the comparison of the ways. It works without JavaScript.

A comparison is a tour. The browser is sent from one way to the next by redirects, so each way is a request of its own
that the server handles as it would any other; the last stop sends it to the result.
"""

from __future__ import annotations

import secrets

from django import forms
from django.conf import settings
from django.db.models import Count, Max, Min, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotFound
from django.shortcuts import render

from .models import Search
from .question import MOST_NIGHTS, PASSING_ON, WAYS, Question
from .report import Report

# What the simulated booking sites know.
CITIES = ("Bologna", "Ghent", "Kraków", "Lisbon", "Ljubljana", "Porto", "Tallinn", "Vienna")
RECENT = 5


class SearchForm(forms.Form):
    city = forms.CharField(max_length=60, widget=forms.TextInput(attrs={"list": "cities", "autocomplete": "off"}))
    nights = forms.IntegerField(min_value=1, max_value=MOST_NIGHTS)
    way = forms.ChoiceField(
        choices=[("all", "All seven, to compare")] + [(way.name, way.title) for way in WAYS.values()]
    )


def front(request: HttpRequest) -> HttpResponse:
    return page(request, "hotels/front.html", SearchForm(initial={"city": "Lisbon", "nights": 2, "way": "all"}))


def compare(request: HttpRequest) -> HttpResponse:
    """Starts a tour."""
    form = SearchForm(request.GET)
    if not form.is_valid():
        return page(request, "hotels/front.html", form, status=400)
    asked = form.cleaned_data
    then = tuple(WAYS) if asked["way"] == "all" else (asked["way"],)
    question = Question(asked["city"].strip(), asked["nights"], secrets.token_hex(6), then)
    return question.next_stop()


def result(request: HttpRequest, comparison: str) -> HttpResponse:
    """Shows a tour's findings."""
    searches = Search.objects.filter(comparison=comparison).order_by("pk")
    # A page that is loaded again half-way leaves two searches of a way: the newer one counts.
    newest = {search.way: search for search in searches}
    searches = [newest[way] for way in WAYS if way in newest]
    if not searches:
        return page(request, "hotels/front.html", SearchForm(initial={"nights": 2}), status=404, gone=True)
    report = Report(searches)
    way = "all" if len(searches) > 1 else searches[0].way
    form = SearchForm(initial={"city": report.city, "nights": report.nights, "way": way})
    return page(request, "hotels/result.html", form, report=report)


def page(request: HttpRequest, template: str, form: SearchForm, status: int = 200, **more: object) -> HttpResponse:
    context = {
        "form": form,
        "cities": CITIES,
        "ways": [*WAYS.values(), *PASSING_ON.values()],
        "recent": recent(),
        "upstreams_url": settings.HOTELS_UPSTREAMS_URL,
        "server": request.META.get("SERVER_SOFTWARE", ""),
        **more,
    }
    return render(request, template, context, status=status)


def recent() -> QuerySet[Search, dict]:
    """The last tours, as rows."""
    tours = Search.objects.exclude(comparison="").values("comparison", "city", "nights")
    figures = {
        "ways": Count("way", distinct=True),
        "quickest": Min("took_ms"),
        "slowest": Max("took_ms"),
        "last": Max("pk"),
    }
    return tours.annotate(**figures).order_by("-last")[:RECENT]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseBadRequest(f"{exception}\n", content_type="text/plain; charset=utf-8")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseNotFound(
        "There is nothing here. The search is at /.\n", content_type="text/plain; charset=utf-8"
    )
