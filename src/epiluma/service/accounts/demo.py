"""Demo mode: accounts with published passwords, and visitors on this machine signed in without one."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from epiluma.service.accounts.models import User

STAYS_OUT = "stays_signed_out"
"""Session key: this visitor signed out and wants to see the sign-in page."""


@dataclass(frozen=True)
class DemoAccount:
    """Someone to try the service as."""

    email: str
    password: str
    name: str


ACCOUNTS = (
    DemoAccount("ada@demo.example", "epiluma-demo", "Ada (demo)"),
    DemoAccount("ben@demo.example", "epiluma-demo", "Ben (demo)"),
)
"""The first is who a visitor becomes; the second shows that one cannot see the other's photos."""


@transaction.atomic
def open_accounts() -> None:
    """Make the demo accounts usable."""
    for account in ACCOUNTS:
        user = User.objects.filter(email=account.email).first()
        if user is None:
            User.objects.create_user(account.email, account.password, name=account.name)
        elif not user.is_active:
            User.objects.filter(pk=user.pk).update(is_active=True)


def close_accounts() -> None:
    """Make sure that nobody signs in with a published password; called whenever the mode is not demo."""
    User.objects.filter(email__in=[account.email for account in ACCOUNTS]).update(is_active=False)


def sign_in_visitor(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware of demo mode: an anonymous visitor from this machine becomes the first demo account."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if _should_sign_in(request):
            user = User.objects.filter(email=ACCOUNTS[0].email, is_active=True).first()
            if user:
                login(request, user)
        return get_response(request)

    return middleware


def _should_sign_in(request: HttpRequest) -> bool:
    if request.user.is_authenticated or request.session.get(STAYS_OUT):
        return False
    if not ipaddress.ip_address(request.META["REMOTE_ADDR"]).is_loopback or "X-Forwarded-For" in request.headers:
        return False
    try:  # only pages that need someone signed in: no session for health checks
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(view, "login_required", True))
