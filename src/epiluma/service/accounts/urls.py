"""Addresses for signing in and out."""

from __future__ import annotations

from django.urls import path

from epiluma.service.accounts import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
]
