"""Another URLconf, for requests that have one of their own: the same views, their home elsewhere."""

from django.urls import path

from promises_site import urls, views

urlpatterns = [path("elsewhere/", views.home, name="home"), *urls.urlpatterns[1:]]
