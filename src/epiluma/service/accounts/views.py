"""Signing in and out, with Django's own machinery."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseBase

from epiluma.service.accounts import demo


class SignIn(LoginView):
    """The sign-in page; in demo mode it lists the accounts to try."""

    template_name = "accounts/sign_in.html"
    form_class = AuthenticationForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds the demo accounts, in demo mode only."""
        accounts = demo.ACCOUNTS if settings.EPILUMA.demo else ()
        return super().get_context_data(**kwargs, demo_accounts=accounts)


class SignOut(LogoutView):
    """Ends the session; a demo visitor stays signed out until they sign in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Signs out, then remembers that this was wanted."""
        response = super().dispatch(request, *args, **kwargs)
        if request.method == "POST":
            request.session[demo.STAYS_OUT] = True
        return response
