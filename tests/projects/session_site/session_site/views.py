"""What a site does, written sync and async."""

import asyncio
import hashlib
import logging
from datetime import datetime, timezone
from pathlib import Path

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import condition, require_http_methods

from .models import Note

log = logging.getLogger("session_site.views")


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ("text",)


def home(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "session_site/home.html", {"visits": request.session["visits"]})


@login_required
def notes(request):
    form = NoteForm(request.POST or None)
    if form.is_valid():
        form.instance.owner = request.user
        form.save()
        messages.success(request, f"Kept: {form.instance.text}")
        return redirect(request.path)
    found = list(Note.objects.order_by("pk"))
    return render(request, "session_site/notes.html", {"form": form, "notes": found})


@login_required
async def async_notes(request):
    form = NoteForm(request.POST or None)
    if form.is_valid():
        form.instance.owner = await request.auser()
        await form.instance.asave()
        messages.success(request, f"Kept: {form.instance.text}")
        return redirect(request.path)
    found = [note async for note in Note.objects.order_by("pk")]
    return await asyncio.to_thread(render, request, "session_site/notes.html", {"form": form, "notes": found})


def received(request):
    files = [
        [
            name,
            given.name,
            given.size,
            given.content_type,
            type(given).__name__,
            hashlib.sha256(b"".join(given.chunks())).hexdigest(),
        ]
        for name, given in sorted(request.FILES.items())
    ]
    return {"files": files, "fields": {name: len(value) for name, value in request.POST.items()}}


def upload(request):
    log.info("%s came", len(request.FILES))
    return JsonResponse(received(request))


async def async_upload(request):
    log.info("%s came", len(request.FILES))
    return JsonResponse(received(request))


def stream(request):
    return StreamingHttpResponse((f"line {number} of {request.path}\n" for number in range(50)), "text/plain")


async def async_stream(request):
    async def lines():
        for number in range(50):
            await asyncio.sleep(0)
            yield f"line {number} of {request.path}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(request):
    return FileResponse(Path(__file__).with_name("urls.py").open("rb"), as_attachment=True)


def _changed(request):
    return datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


@condition(etag_func=lambda request: '"one"', last_modified_func=_changed)
@require_http_methods(["GET", "HEAD", "PUT"])
def page(request):
    return HttpResponse("a page that seldom changes\n" * 20)


async def async_page(request):
    return HttpResponse("a page of which the middleware makes the tag\n" * 20)


def _with_cookies():
    response = HttpResponse("three", headers={"X-Word": "Gruß", "Vary": "X-One"})
    response.set_cookie("plain", "1", max_age=60, samesite="Lax")
    response.set_cookie("quoted", 'a "b"; c', httponly=True)
    response.set_signed_cookie("signed", "x", path="/cookies/")
    response.delete_cookie("old")
    return response


def cookies(request):
    return _with_cookies()


async def async_cookies(request):
    return _with_cookies()


def broken(request):
    raise ValueError(f"broken by {request.method}")


async def async_broken(request):
    raise ValueError(f"broken by {request.method}")


def denied(request):
    raise PermissionDenied("not you")


async def async_suspicious(request):
    raise SuspiciousOperation("odd")
