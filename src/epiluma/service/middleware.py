"""What holds for every request and response: the upload limit and the headers that browsers enforce."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from epiluma.service import errors
from epiluma.service.config import MAX_UPLOAD_BYTES

_FORM_BYTES = 64 * 1024
"""Room for the boundaries and fields around the photo."""
_DRAINED_BYTES = 4 * MAX_UPLOAD_BYTES
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

Handler = Callable[[HttpRequest], HttpResponseBase]


def security_headers(get_response: Handler) -> Handler:
    """Nothing inline, nothing from elsewhere; pages stay out of shared caches."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(self), geolocation=(), microphone=()")
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


def limit_upload(get_response: Handler) -> Handler:
    """Answer 413 to a body that is too large, by its announced length: nothing of it is kept."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length <= MAX_UPLOAD_BYTES + _FORM_BYTES:
            return get_response(request)
        _drain(request, min(length, _DRAINED_BYTES))
        return errors.too_large(request)

    return middleware


def _drain(request: HttpRequest, length: int) -> None:
    """Read and forget: a browser shows the answer only after it has sent its body."""
    while length > 0 and (chunk := request.read(min(length, 1 << 20))):
        length -= len(chunk)
