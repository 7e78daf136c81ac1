"""Every address of the service; each slice lists its own."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when this process answers and reaches its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("language/", login_not_required(require_POST(set_language)), name="set-language"),
    path("", include("epiluma.service.accounts.urls")),
    path("", include("epiluma.service.cases.urls")),
]

handler400 = "epiluma.service.errors.bad_request"
handler403 = "epiluma.service.errors.forbidden"
handler404 = "epiluma.service.errors.not_found"
handler500 = "epiluma.service.errors.server_error"
