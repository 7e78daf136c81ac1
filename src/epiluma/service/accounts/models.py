"""Clinics, and the people who sign in."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

DEFAULT_CLINIC = uuid.UUID("e9110000-0000-4000-8000-000000000001")
"""The clinic of everyone who is not told another one."""


class ClinicManager(models.Manager["Clinic"]):
    """Finds clinics."""

    def default(self) -> Clinic:
        """The clinic that always exists."""
        return self.get_or_create(id=DEFAULT_CLINIC, defaults={"name": "Default clinic"})[0]


class Clinic(models.Model):
    """A tenant: what belongs to one clinic is never shown to another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    created = models.DateTimeField(auto_now_add=True)

    objects = ClinicManager()

    class Meta:
        """Rules that the database keeps."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name"], name="clinic_names_differ"),
            models.CheckConstraint(condition=~models.Q(name=""), name="a_clinic_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users, whose e-mail address is kept in lower case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The user with this e-mail address, however it is capitalised."""
        return self.get(email=(username or "").lower())

    def create_user(
        self, email: str, password: str | None = None, *, clinic: Clinic | None = None, **facts: object
    ) -> User:
        """A user of `clinic` (the default one when None); without a password nobody can sign in as them."""
        user = self.model(email=email.strip().lower(), clinic=clinic or Clinic.objects.default(), **facts)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **facts: object) -> User:
        """A user who may do everything within the rules of visibility."""
        return self.create_user(email, password, is_superuser=True, **facts)


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who signs in with an e-mail address and belongs to one clinic."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="users")
    email = models.EmailField(_("e-mail address"))
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects = UserManager()

    class Meta:
        """Rules that the database keeps."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["email"], name="one_user_per_email_address"),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="an_email_address_is_in_lower_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email
