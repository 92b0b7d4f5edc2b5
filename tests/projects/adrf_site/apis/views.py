"""What ADRF projects do, one view for each promise."""

import asyncio
import datetime
import decimal
import threading
import uuid

import rest_framework.permissions
from adrf import generics, mixins, viewsets
from adrf.decorators import api_view
from adrf.serializers import ModelSerializer
from adrf.views import APIView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy
from rest_framework import (
    authentication,
    exceptions,
    filters,
    negotiation,
    pagination,
    parsers,
    permissions,
    renderers,
    throttling,
    versioning,
)
from rest_framework.decorators import action
from rest_framework.response import Response

from apis import noted
from apis.models import Hotel


async def hopped(request):
    """A plain view of Django's: the hops that were not on the loop."""
    hops = [hop for hop in noted.hops if not hop.startswith("loop ")]
    hashed = list(noted.hashed)
    noted.hops.clear()
    noted.hashed.clear()
    return JsonResponse({"hops": hops, "hashed": hashed})


async def threads(request):
    """A plain view of Django's: which threads for hops there are."""
    names = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("turnout-hop"))
    return JsonResponse({"hops": names})


class Says(APIView):
    """Whoever asks, with DRF's default settings."""

    async def get(self, request, **kwargs):
        return Response({"user": str(request.user), "auth": str(request.auth), "version": request.version})

    async def post(self, request, **kwargs):
        files = {name: file.read().decode() for name, file in request.FILES.items()}
        data = request.data if not files else {"files": files}
        return Response({"user": str(request.user), "data": data}, status=201)


class Waits(APIView):
    async def get(self, request):
        await asyncio.sleep(float(request.query_params.get("seconds", 0)))
        return Response({"waited": True})


class TellsApart(Says):
    authentication_classes = (authentication.BasicAuthentication, authentication.TokenAuthentication)
    permission_classes = (permissions.IsAuthenticated,)


class Bearer(authentication.TokenAuthentication):
    keyword = "Bearer"


class WithBearer(Says):
    authentication_classes = (Bearer,)
    permission_classes = (permissions.IsAuthenticated,)


class WithSession(Says):
    authentication_classes = (authentication.SessionAuthentication,)
    permission_classes = (permissions.IsAuthenticatedOrReadOnly,)


class ForStaff(Says):
    authentication_classes = (authentication.TokenAuthentication, authentication.SessionAuthentication)
    permission_classes = (permissions.IsAdminUser,)


class Combined(Says):
    authentication_classes = (authentication.TokenAuthentication,)
    permission_classes = (permissions.IsAdminUser | (permissions.IsAuthenticated & ~permissions.IsAdminUser),)


class OnTuesdays(permissions.BasePermission):
    message = "Only on Tuesdays."
    code = "tuesday"

    def has_permission(self, request, view):
        return "tuesday" in request.query_params


class OnWednesdays(rest_framework.permissions.BasePermission):
    async def has_permission(self, request, view):
        await asyncio.sleep(0)
        return "wednesday" in request.query_params


class OwnPermission(Says):
    permission_classes = (OnTuesdays,)


class OwnAsyncPermission(Says):
    permission_classes = (OnWednesdays,)


class ByHeader(authentication.BaseAuthentication):
    async def authenticate(self, request):
        await asyncio.sleep(0)
        name = request.headers.get("X-Name")
        if name == "nobody":
            raise exceptions.AuthenticationFailed("Nobody is nobody.")
        return None if name is None else (Named(name), "header")

    def authenticate_header(self, request):
        return "Name"


class Named(str):
    is_authenticated = True


class OwnAuthenticator(Says):
    authentication_classes = (ByHeader,)


class Throttled(Says):
    throttle_classes = (throttling.AnonRateThrottle, throttling.UserRateThrottle)
    authentication_classes = (authentication.TokenAuthentication,)


class Scoped(Says):
    throttle_classes = (throttling.ScopedRateThrottle,)
    throttle_scope = "uploads"


class Never(throttling.BaseThrottle):
    async def allow_request(self, request, view):
        return "now" in request.query_params

    def wait(self):
        return 41.5


class OwnThrottle(Says):
    throttle_classes = (Never,)


class ByAccept(Says):
    versioning_class = versioning.AcceptHeaderVersioning


class V1Or2(versioning.URLPathVersioning):
    allowed_versions = ("v1", "v2")


class ByPath(Says):
    versioning_class = V1Or2


class QueryV(versioning.QueryParameterVersioning):
    version_param = "v"
    default_version = "1"
    allowed_versions = ("1", "2")


class ByQuery(Says):
    versioning_class = QueryV


class ByNamespace(Says):
    versioning_class = versioning.NamespaceVersioning


class ByHost(Says):
    versioning_class = versioning.HostNameVersioning


class Csv(renderers.BaseRenderer):
    media_type = "text/csv"
    format = "csv"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return ",".join(map(str, data.values()))


class Renders(Says):
    renderer_classes = (Csv, renderers.JSONRenderer)


class FirstOne(negotiation.BaseContentNegotiation):
    def select_parser(self, request, parsers):
        return parsers[0]

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type


class Negotiates(Says):
    content_negotiation_class = FirstOne


class JsonOnly(Says):
    parser_classes = (parsers.JSONParser,)
    renderer_classes = (renderers.JSONRenderer,)


class NumPy:
    def tolist(self):
        return [1, 2, threading.current_thread() is threading.main_thread()]


class Shapes(APIView):
    """Data of all kinds, as JSON."""

    permission_classes = ()

    async def get(self, request):
        return Response(SHAPES[request.query_params["of"]]())


SHAPES = {
    "nothing": lambda: None,
    "text": lambda: "text",
    "empty": lambda: {},
    "made": lambda: {
        "at": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
        "day": datetime.date(2024, 2, 29),
        "time": datetime.time(12, 30),
        "long": datetime.timedelta(days=2),
        "price": decimal.Decimal("12.50"),
        "id": uuid.UUID(int=7),
        "line": "\u2028",
    },
    "lazy": lambda: {"said": gettext_lazy("Welcome")},
    "queryset": lambda: {"hotels": Hotel.objects.values_list("name", flat=True)},
    "large": lambda: [{"id": number, "name": f"name {number}"} for number in range(5000)],
    "large and odd": lambda: [{"id": number, "odd": NumPy()} for number in range(2000)],
    "odd": NumPy,
    "infinite": lambda: {"value": float("inf")},
    "foreign": lambda: {"value": object()},
}


class Fails(APIView):
    async def get(self, request):
        raise ERRORS[request.query_params["how"]]


ERRORS = {
    "missing": Http404("No such thing."),
    "denied": PermissionDenied(),
    "invalid": exceptions.ValidationError({"name": ["Too short."], "stars": ["Too many."]}),
    "teapot": exceptions.APIException("Short and stout."),
    "unhandled": ValueError("unhandled"),
}


class Plain(APIView):
    """An answer of Django's own."""

    async def get(self, request):
        return HttpResponse("plain")


class HotelSerializer(ModelSerializer):
    class Meta:
        model = Hotel
        fields = ("id", "name", "stars", "opened")


class Pages(pagination.PageNumberPagination):
    page_size = 3


class Offsets(pagination.LimitOffsetPagination):
    default_limit = 2


class Hotels(viewsets.ModelViewSet):
    queryset = Hotel.objects.all()
    serializer_class = HotelSerializer
    authentication_classes = (authentication.TokenAuthentication,)
    permission_classes = (permissions.DjangoModelPermissionsOrAnonReadOnly,)
    pagination_class = Pages
    filter_backends = (filters.OrderingFilter, filters.SearchFilter)
    ordering_fields = ("stars", "name")
    search_fields = ("name",)

    @action(detail=False)
    async def best(self, request):
        best = await self.get_queryset().order_by("-stars").afirst()
        return Response({"best": best.name})


class HotelList(generics.ListCreateAPIView):
    queryset = Hotel.objects.all()
    serializer_class = HotelSerializer
    pagination_class = Offsets


class ModelPermissions(generics.ListAPIView):
    queryset = Hotel.objects.all()
    serializer_class = HotelSerializer
    authentication_classes = (authentication.TokenAuthentication,)
    permission_classes = (permissions.DjangoModelPermissions,)


class Stars(mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    queryset = Hotel.objects.filter(stars__gt=2)
    serializer_class = HotelSerializer

    async def alist(self, request):
        return Response([hotel.stars async for hotel in self.get_queryset()])

    @action(detail=False)
    def thread(self, request):
        """A sync action beside async ones."""
        return Response({"on a thread": threading.current_thread() is not threading.main_thread()})


@api_view(["GET", "POST"])
async def function(request):
    return Response({"method": request.method, "data": request.data})


@api_view(["GET"])
def sync_function(request):
    return Response({"sync": True})
