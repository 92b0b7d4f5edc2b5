"""As rerouting.ByHost, written so that its source does not say it."""

from django.utils.deprecation import MiddlewareMixin

WHAT = "url" + "conf"


class ByHost(MiddlewareMixin):
    def process_request(self, request):
        if request.get_host().startswith("shop."):
            setattr(request, WHAT, "dispatch_site.shop")
