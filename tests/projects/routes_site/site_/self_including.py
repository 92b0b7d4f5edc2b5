from django.urls import include, path

from site_ import views

urlpatterns = [path("a/", views.asynchronous)]
urlpatterns += [path("again/", include("site_.self_including")), path("b/", views.sync)]
