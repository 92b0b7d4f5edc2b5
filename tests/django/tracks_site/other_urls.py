from django.urls import path

from tracks_site import views

urlpatterns = [path("sync/", views.async_json), path("async/", views.sync_json)]
