from django.utils.deprecation import MiddlewareMixin


class Rerouting(MiddlewareMixin):
    def process_request(self, request):
        if request.get_host().startswith("other."):
            request.urlconf = "site_.self_including"
