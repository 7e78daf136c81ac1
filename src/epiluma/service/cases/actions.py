"""Every change to photos and screenings. Each is one transaction; files follow their rows."""

from __future__ import annotations

import hashlib
import time

import msgspec
from django.conf import settings
from django.db import transaction

from epiluma.bundle import Bundle
from epiluma.imaging.containers import read_container
from epiluma.imaging.metadata import strip_metadata
from epiluma.inference import result
from epiluma.service.accounts.models import User
from epiluma.service.cases import screener
from epiluma.service.cases.models import BundleRecord, Photo, Screening
from epiluma.service.cases.renditions import thumbnail
from epiluma.service.storage.files import FileStore

_ORPHAN_AGE = 3600
"""Seconds after which files without a row are taken for the remains of a crash."""


def file_store() -> FileStore:
    """Where photos lie."""
    return FileStore(settings.EPILUMA.files)


def screen_photo(*, owner: User, data: bytes) -> Screening:
    """Screen a photo and keep both, the photo without its metadata. Raises PhotoError, and then keeps nothing."""
    stored = strip_metadata(data)
    facts = screener.screen(stored)
    photo = Photo(
        clinic=owner.clinic,
        owner=owner,
        received_sha256=hashlib.sha256(data).hexdigest(),
        stored_sha256=hashlib.sha256(stored).hexdigest(),
        width=facts.width,
        height=facts.height,
        format=read_container(stored).format,
    )
    return _keep(photo=photo, stored=stored, facts=facts, bundle=screener.served_bundle())


def _keep(*, photo: Photo, stored: bytes, facts: result.Screening, bundle: Bundle) -> Screening:
    store = file_store()
    try:
        store.put(photo.key("original"), stored)
        store.put(photo.key("thumbnail"), thumbnail(stored))
        with transaction.atomic():
            record, _ = BundleRecord.objects.get_or_create(
                id=bundle.id, defaults={"manifest": msgspec.to_builtins(bundle.manifest)}
            )
            photo.save(force_insert=True)
            return Screening.objects.create(clinic=photo.clinic, photo=photo, bundle=record, **Screening.summary(facts))
    except BaseException:
        store.delete_folder(photo.folder)
        raise


def delete_screening(*, screening: Screening) -> None:
    """Delete a screening; its photo and files go too, unless another screening uses them."""
    with transaction.atomic():
        photo = screening.photo
        screening.delete()
        if photo.screenings.exists():
            return
        folder = photo.folder
        photo.delete()
        transaction.on_commit(lambda: file_store().delete_folder(folder))


def sweep_orphans(*, now: float | None = None) -> int:
    """Remove files whose photo is not in the database: a crash came between the two. Returns how many folders."""
    store = file_store()
    known = {photo.folder for photo in Photo.objects.only("id").iterator()}
    oldest = (time.time() if now is None else now) - _ORPHAN_AGE
    orphans = [folder for folder, changed in store.folders("photos") if folder not in known and changed < oldest]
    for folder in orphans:
        store.delete_folder(folder)
    return len(orphans)
