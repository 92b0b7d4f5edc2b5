from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("", views.home),
    path("login/", LoginView.as_view(template_name="session_site/login.html")),
    path("logout/", LogoutView.as_view()),
    path("notes/", views.notes),
    path("async-notes/", views.async_notes),
    path("upload/", views.upload),
    path("async-upload/", views.async_upload),
    path("stream/", views.stream),
    path("async-stream/", views.async_stream),
    path("file/", views.file),
    path("page/", views.page),
    path("async-page/", views.async_page),
    path("cookies/", views.cookies),
    path("async-cookies/", views.async_cookies),
    path("broken/", views.broken),
    path("async-broken/", views.async_broken),
    path("denied/", views.denied),
    path("async-suspicious/", views.async_suspicious),
    path("admin/", admin.site.urls),
]
