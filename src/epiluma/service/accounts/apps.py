"""Registers the slice with Django."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and clinics."""

    name = "epiluma.service.accounts"
    label = "accounts"
