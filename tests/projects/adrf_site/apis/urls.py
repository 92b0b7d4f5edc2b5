from adrf.routers import DefaultRouter
from django.urls import include, path

from apis import views

router = DefaultRouter()
router.register("hotels", views.Hotels)
router.register("stars", views.Stars, basename="stars")

urlpatterns = [
    path("threads/", views.threads),
    path("hopped/", views.hopped),
    path("says/", views.Says.as_view()),
    path("waits/", views.Waits.as_view()),
    path("tells-apart/", views.TellsApart.as_view()),
    path("bearer/", views.WithBearer.as_view()),
    path("session/", views.WithSession.as_view()),
    path("staff/", views.ForStaff.as_view()),
    path("combined/", views.Combined.as_view()),
    path("own-permission/", views.OwnPermission.as_view()),
    path("own-async-permission/", views.OwnAsyncPermission.as_view()),
    path("own-authenticator/", views.OwnAuthenticator.as_view()),
    path("set-there/", views.Says.as_view(permission_classes=(views.OnTuesdays,))),
    path("throttled/", views.Throttled.as_view()),
    path("scoped/", views.Scoped.as_view()),
    path("own-throttle/", views.OwnThrottle.as_view()),
    path("by-accept/", views.ByAccept.as_view()),
    path("by-path/<str:version>/", views.ByPath.as_view()),
    path("by-query/", views.ByQuery.as_view()),
    path("by-host/", views.ByHost.as_view()),
    path("one/", include(([path("by-namespace/", views.ByNamespace.as_view())], "apis"), namespace="one")),
    path("renders/", views.Renders.as_view()),
    path("negotiates/", views.Negotiates.as_view()),
    path("json-only/", views.JsonOnly.as_view()),
    path("shapes/", views.Shapes.as_view()),
    path("fails/", views.Fails.as_view()),
    path("plain/", views.Plain.as_view()),
    path("function/", views.function),
    path("sync-function/", views.sync_function),
    path("list/", views.HotelList.as_view()),
    path("model-permissions/", views.ModelPermissions.as_view()),
    path("router/", include(router.urls)),
]
