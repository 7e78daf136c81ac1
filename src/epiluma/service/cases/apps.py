"""Registers the slice with Django."""

from django.apps import AppConfig


class CasesConfig(AppConfig):
    """Photos and screenings."""

    name = "epiluma.service.cases"
    label = "cases"
