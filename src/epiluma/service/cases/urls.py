"""Addresses of photos and screenings."""

from __future__ import annotations

from django.urls import path

from epiluma.service.cases import views

urlpatterns = [
    path("", views.home, name="home"),
    path("examples/", views.screen_example, name="screen-example"),
    path("examples/<slug:name>/", views.example, name="example"),
    path("screenings/", views.screenings, name="screenings"),
    path("screenings/<uuid:pk>/", views.screening, name="screening"),
    path("screenings/<uuid:pk>/delete/", views.delete, name="delete-screening"),
    path("photos/<uuid:pk>/<slug:rendition>/", views.photo, name="photo"),
]
