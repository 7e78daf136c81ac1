"""Pages for photos and screenings. A view asks the visibility rule, calls an action, and answers."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from epiluma.imaging.containers import UNKNOWN, PhotoError
from epiluma.service.accounts.models import User
from epiluma.service.cases import actions, examples, screener
from epiluma.service.cases.models import Photo, Rendition, Screening
from epiluma.service.cases.presentation import Shown
from epiluma.service.config import MAX_UPLOAD_BYTES
from epiluma.service.errors import wants_json

PAGE_SIZE = 12


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The page that takes a photo; a POST screens it."""
    if request.method != "POST":
        return _home_page(request)
    upload = request.FILES.get("photo") or request.FILES.get("camera")
    if upload is None:
        return _refuse(request, _("No photo was sent. Choose one first."), status=400)
    if upload.size > MAX_UPLOAD_BYTES:
        return _refuse(request, _too_large(), status=413)
    return _screen(request, upload.read())


@require_POST
def screen_example(request: HttpRequest) -> HttpResponse:
    """Screen one of the drawn photos, as if the visitor had sent it."""
    try:
        chosen = examples.offered()[request.POST.get("example", "")]
    except KeyError:
        raise Http404 from None
    return _screen(request, chosen.example.jpeg)


@require_safe
def example(request: HttpRequest, name: str) -> HttpResponse:
    """A drawn photo, small."""
    try:
        shown = examples.offered()[name]
    except KeyError:
        raise Http404 from None
    return HttpResponse(shown.small, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@require_safe
def screenings(request: HttpRequest) -> HttpResponse:
    """The kept screenings, newest first."""
    page = Paginator(Screening.objects.visible(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    page.object_list = [Shown(screening) for screening in page.object_list]
    return render(request, "cases/list.html", {"page": page})


@require_safe
def screening(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One screening: what to do, then why."""
    kept = get_object_or_404(Screening.objects.visible(request.user), pk=pk)
    return render(request, "cases/screening.html", {"screening": kept, "shown": Shown(kept)})


@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a screening with its photo."""
    actions.delete_screening(screening=get_object_or_404(Screening.objects.visible(request.user), pk=pk))
    messages.success(request, _("The screening and its photo were deleted."))
    return redirect("screenings")


@require_safe
def photo(request: HttpRequest, pk: UUID, rendition: str) -> HttpResponseBase:
    """A kept photo, to those who may see it and to no cache between them and us."""
    kept = get_object_or_404(Photo.objects.visible(request.user), pk=pk)
    if rendition not in ("original", "thumbnail"):
        raise Http404
    try:
        file = actions.file_store().open(kept.key(cast(Rendition, rendition)))
    except FileNotFoundError:
        raise Http404 from None
    media_type = kept.media_type if rendition == "original" else "image/jpeg"
    response = FileResponse(file, content_type=media_type)
    response["Cache-Control"] = "private, max-age=600"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _screen(request: HttpRequest, data: bytes) -> HttpResponse:
    try:
        kept = actions.screen_photo(owner=cast(User, request.user), data=data)
    except PhotoError as error:
        reason = _("This is not a photo that can be read. Use JPEG, PNG or WebP.") if error.reason == UNKNOWN else None
        return _refuse(request, reason or _(error.reason), status=422)
    address = redirect("screening", pk=kept.pk)
    return JsonResponse({"url": address.url}, status=201) if wants_json(request) else address


def _refuse(request: HttpRequest, reason: str, *, status: int) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"error": reason}, status=status)
    return _home_page(request, problem=reason, status=status)


def _home_page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {
        "problem": problem,
        "limit": MAX_UPLOAD_BYTES,
        "limit_mb": MAX_UPLOAD_BYTES >> 20,
        "too_large": _too_large(),
        "dermoscopy": screener.served_bundle().manifest.modality == "dermoscopy",
        "examples": examples.offered().values(),
    }
    return render(request, "cases/home.html", context, status=status)


def _too_large() -> str:
    return _("The photo is larger than %(limit)d MB.") % {"limit": MAX_UPLOAD_BYTES >> 20}
