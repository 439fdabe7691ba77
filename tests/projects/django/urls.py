"""What somebody adds to a new project first."""

from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def index(request):
    return HttpResponse("<!doctype html><title>Mine</title><h1>Django's page</h1>")


def seen(request):
    client = request.META["REMOTE_ADDR"]
    return JsonResponse({"host": request.get_host(), "scheme": request.scheme, "client": client})


@csrf_exempt
def upload(request):
    return JsonResponse({"length": len(request.read())})


def fail(request):
    raise RuntimeError("a reason")


urlpatterns = [path("", index), path("seen", seen), path("upload", upload), path("fail", fail)]
