"""Pages for requests that cannot be answered: what happened and what to do, in the same design."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

from epiluma.service.config import MAX_UPLOAD_BYTES


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's own module asks, rather than a form or a link."""
    return request.headers.get("Accept") == "application/json"


def describe(request: HttpRequest, *, status: int, title: str, advice: str) -> HttpResponse:
    """An error as a page, or as JSON for the page's own module."""
    if wants_json(request):
        return JsonResponse({"error": f"{title} {advice}"}, status=status)
    return render(request, "errors/error.html", {"title": title, "advice": advice, "status": status}, status=status)


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the server could not understand the request."""
    advice = _("Go back to the start page and try again.")
    return describe(request, status=400, title=_("This request could not be understood."), advice=advice)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: not yours to do."""
    advice = _("If you should be able to do this, sign in with another account.")
    return describe(request, status=403, title=_("You may not do this."), advice=advice)


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: the same words for what does not exist and what belongs to someone else."""
    advice = _("It may have been deleted. Your screenings are in the history.")
    return describe(request, status=404, title=_("There is nothing here."), advice=advice)


@requires_csrf_token
def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault."""
    advice = _("Nothing was kept. Try again; if it happens again, tell the people who run this service.")
    return describe(request, status=500, title=_("Something went wrong on our side."), advice=advice)


@requires_csrf_token
def too_large(request: HttpRequest) -> HttpResponse:
    """413: the upload limit, with a way out."""
    advice = _("Nothing was kept. Choose a photo smaller than %(limit)d MB, or take it again with the camera.") % {
        "limit": MAX_UPLOAD_BYTES >> 20
    }
    return describe(request, status=413, title=_("This photo is too large."), advice=advice)


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was too old, or did not come from our page."""
    advice = _("Go back, load the page again and repeat what you did.")
    return describe(request, status=403, title=_("This form is out of date."), advice=advice)
