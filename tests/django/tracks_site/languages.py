"""URLs with a language in front, as i18n_patterns makes them."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import path

from tracks_site import views

urlpatterns = [path("answer/", views.answer), *i18n_patterns(path("async/", views.async_json))]
