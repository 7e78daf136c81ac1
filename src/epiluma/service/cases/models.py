"""Photos, their screenings, and the bundles that made them."""

from __future__ import annotations

import functools
import uuid
from typing import Any, ClassVar, Literal

import msgspec
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length

from epiluma.bundle import Manifest
from epiluma.inference import result
from epiluma.service.accounts.models import Clinic, User

models.CharField.register_lookup(Length)  # constraints below speak of `<field>__length`

Rendition = Literal["original", "thumbnail"]


class BundleRecord(models.Model):
    """The manifest of a bundle that was used here: a screening can be explained long after the bundle was replaced."""

    id = models.CharField(primary_key=True, max_length=64)
    """SHA-256 of the canonical manifest: the bundle id."""
    manifest = models.JSONField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Rules that the database keeps."""

        constraints: ClassVar = [models.CheckConstraint(condition=Q(id__length=64), name="a_bundle_id_is_a_sha256")]

    def __str__(self) -> str:
        return f"{self.manifest['name']} {self.id[:12]}"

    @functools.cached_property
    def facts(self) -> Manifest:
        """The manifest, typed."""
        return msgspec.convert(self.manifest, Manifest)


class PhotoQuerySet(models.QuerySet["Photo"]):
    """The one rule of who may see a photo."""

    def visible(self, user: User | AnonymousUser) -> PhotoQuerySet:
        """A person's own photos, within their clinic."""
        if not isinstance(user, User):
            return self.none()
        return self.filter(clinic_id=user.clinic_id, owner=user)


class Photo(models.Model):
    """A kept photo; its files lie in the file store under its id."""

    class Format(models.TextChoices):
        """What the page accepts, by Pillow's name for it."""

        JPEG = "JPEG"
        PNG = "PNG"
        WEBP = "WEBP"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="photos")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="photos")
    received_sha256 = models.CharField(max_length=64)
    """Of the file as it came."""
    stored_sha256 = models.CharField(max_length=64)
    """Of the file as it is kept, without metadata."""
    width = models.PositiveIntegerField()
    """Pixels, after orientation."""
    height = models.PositiveIntegerField()
    format = models.CharField(max_length=4, choices=Format)
    created = models.DateTimeField(auto_now_add=True)

    objects = PhotoQuerySet.as_manager()

    class Meta:
        """Rules that the database keeps."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(width__gte=1, height__gte=1), name="a_photo_has_pixels"),
            models.CheckConstraint(
                condition=Q(received_sha256__length=64, stored_sha256__length=64), name="a_photo_has_two_sha256"
            ),
            models.CheckConstraint(
                condition=Q(format__in=("JPEG", "PNG", "WEBP")), name="a_photo_is_a_jpeg_a_png_or_a_webp"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def folder(self) -> str:
        """Where its files lie in the store."""
        return f"photos/{self.id.hex}"

    def key(self, rendition: Rendition) -> str:
        """Key of one of its files."""
        return f"{self.folder}/{rendition}"

    @property
    def media_type(self) -> str:
        """MIME type of the original."""
        return f"image/{self.format.lower()}"


class ScreeningQuerySet(models.QuerySet["Screening"]):
    """The one rule of who may see a screening."""

    def visible(self, user: User | AnonymousUser) -> ScreeningQuerySet:
        """The screenings of a person's own photos, within their clinic; newest first."""
        photos = Photo.objects.visible(user)
        if not isinstance(user, User):
            return self.none()
        kept = self.filter(clinic_id=user.clinic_id, photo__in=photos)
        return kept.select_related("photo", "bundle").order_by("-created", "-id")


class Screening(models.Model):
    """What a bundle said about a photo, word for word, with the few facts that lists sort and filter by."""

    class Level(models.TextChoices):
        """What to do, as the runtime says it."""

        URGENT = "urgent"
        REFER = "refer"
        RECHECK = "recheck"
        NO_SIGN = "no_sign"
        CANNOT_JUDGE = "cannot_judge"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="screenings")
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="screenings")
    bundle = models.ForeignKey(BundleRecord, on_delete=models.PROTECT, related_name="screenings")
    result = models.JSONField()
    """`epiluma.inference.result.Screening` as JSON."""
    level = models.CharField(max_length=12, choices=Level)
    risk = models.FloatField(null=True)
    """Malignancy risk; null when the photo could not be judged."""
    diagnosis = models.CharField(max_length=32, blank=True)
    """Code of the diagnosis; empty when the photo could not be judged."""
    created = models.DateTimeField(auto_now_add=True)

    objects = ScreeningQuerySet.as_manager()

    class Meta:
        """Rules that the database keeps."""

        indexes: ClassVar = [models.Index(fields=["clinic", "-created"], name="screenings_newest_first")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(level__in=("urgent", "refer", "recheck", "no_sign", "cannot_judge")),
                name="a_level_is_one_of_five",
            ),
            models.CheckConstraint(condition=Q(risk__gte=0, risk__lte=1), name="a_risk_is_a_probability"),
            models.CheckConstraint(
                condition=Q(risk__isnull=True, diagnosis="")
                | (~Q(level="cannot_judge") & Q(risk__isnull=False) & ~Q(diagnosis="")),
                name="only_a_judged_photo_has_a_risk_and_a_diagnosis",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.created:%Y-%m-%d %H:%M}"

    @functools.cached_property
    def facts(self) -> result.Screening:
        """The result, typed."""
        return msgspec.convert(self.result, result.Screening)

    @classmethod
    def summary(cls, facts: result.Screening) -> dict[str, Any]:
        """The columns that repeat parts of a result."""
        return {
            "result": msgspec.to_builtins(facts),
            "level": facts.recommendation.level,
            "risk": facts.malignancy_risk,
            "diagnosis": facts.diagnosis or "",
        }
