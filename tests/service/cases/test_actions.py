"""Rows and files come and go together."""

from __future__ import annotations

import os
import time
import uuid

import pytest
from django.db import transaction
from django.test import Client

from epiluma.service.accounts.models import User
from epiluma.service.cases import actions
from epiluma.service.cases.models import Photo, Screening
from epiluma.service.config import Configuration


@pytest.mark.django_db(transaction=True)
def test_deleting_removes_rows_and_files(owner_client: Client, kept: Screening, configuration: Configuration) -> None:
    folder = configuration.files / kept.photo.folder
    assert sorted(path.name for path in folder.iterdir()) == ["original", "thumbnail"]
    response = owner_client.post(f"/screenings/{kept.pk}/delete/", follow=True)
    assert "The screening and its photo were deleted." in response.content.decode()
    assert not Screening.objects.exists()
    assert not Photo.objects.exists()
    assert not folder.exists()
    assert owner_client.get(f"/photos/{kept.photo_id}/original/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_photo_stays_while_another_screening_uses_it(kept: Screening, configuration: Configuration) -> None:
    second = Screening.objects.create(
        clinic=kept.clinic, photo=kept.photo, bundle=kept.bundle, **Screening.summary(kept.facts)
    )
    folder = configuration.files / kept.photo.folder
    actions.delete_screening(screening=kept)
    assert (folder / "original").exists()
    actions.delete_screening(screening=second)
    assert not folder.exists()


@pytest.mark.django_db(transaction=True)
def test_files_stay_when_the_deletion_is_rolled_back(kept: Screening, configuration: Configuration) -> None:
    pk = kept.pk
    with transaction.atomic():
        actions.delete_screening(screening=kept)
        transaction.set_rollback(True)
    assert (configuration.files / Photo.objects.get().folder / "original").exists()
    assert Screening.objects.filter(pk=pk).exists()


def test_remains_of_a_crash_are_swept(kept: Screening, configuration: Configuration) -> None:
    store = actions.file_store()
    old, fresh = (f"photos/{uuid.uuid4().hex}" for _ in range(2))
    for folder in (old, fresh, kept.photo.folder):
        store.put(f"{folder}/original", b"x")
    yesterday = time.time() - 86_400
    for folder in (old, kept.photo.folder):
        os.utime(configuration.files / folder, (yesterday, yesterday))

    assert actions.sweep_orphans() == 1
    assert not (configuration.files / old).exists()
    assert (configuration.files / fresh).exists(), "an upload may be on its way"
    assert (configuration.files / kept.photo.folder).exists()


def test_the_same_photo_twice_is_two_photos(owner: User, photo_bytes: bytes) -> None:
    first, second = (actions.screen_photo(owner=owner, data=photo_bytes) for _ in range(2))
    assert first.photo.received_sha256 == second.photo.received_sha256
    assert first.photo.received_sha256 != first.photo.stored_sha256
    assert first.photo_id != second.photo_id
    assert first.bundle_id == second.bundle_id
