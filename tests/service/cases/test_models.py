"""The database itself refuses rows that make no sense."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from epiluma.inference import result
from epiluma.service.accounts.models import Clinic, User
from epiluma.service.cases.models import Photo, Screening


@pytest.mark.parametrize(
    ("rows", "changed", "constraint"),
    [
        (Screening, {"risk": 1.2}, "a_risk_is_a_probability"),
        (Screening, {"risk": None}, "only_a_judged_photo_has_a_risk_and_a_diagnosis"),
        (Screening, {"level": "cannot_judge"}, "only_a_judged_photo_has_a_risk_and_a_diagnosis"),
        (Screening, {"diagnosis": ""}, "only_a_judged_photo_has_a_risk_and_a_diagnosis"),
        (Screening, {"level": "fine"}, "a_level_is_one_of_five"),
        (Photo, {"width": 0}, "a_photo_has_pixels"),
        (Photo, {"stored_sha256": "short"}, "a_photo_has_two_sha256"),
        (Photo, {"format": "BMP"}, "a_photo_is_a_jpeg_a_png_or_a_webp"),
        (User, {"email": "Owner@One.example"}, "an_email_address_is_in_lower_case"),
        (Clinic, {"name": ""}, "a_clinic_has_a_name"),
    ],
)
def test_constraints_read_as_sentences(
    kept: Screening, rows: type, changed: dict[str, object], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        rows.objects.update(**changed)


def test_one_user_per_email_address(owner: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User(email=owner.email, clinic=owner.clinic).save()


def test_a_clinic_with_rows_cannot_be_deleted(kept: Screening) -> None:
    from django.db.models import ProtectedError

    with pytest.raises(ProtectedError):
        kept.clinic.delete()


def test_every_tenant_row_names_its_clinic(kept: Screening) -> None:
    for model in (User, Photo, Screening):
        field = model._meta.get_field("clinic")
        assert field.related_model is Clinic
        assert not field.null


def test_the_result_survives_the_database(kept: Screening) -> None:
    again = Screening.objects.get()
    assert isinstance(again.facts, result.Screening)
    assert again.facts.malignancy_risk == pytest.approx(again.risk)
    assert again.facts.bundle.id == again.bundle_id
    assert set(again.facts.probabilities) == set(again.bundle.facts.taxonomy.codes)


def test_deleted_rows_are_overwritten(db: None) -> None:
    with connection.cursor() as cursor:
        for pragma, expected in (("secure_delete", 1), ("foreign_keys", 1), ("synchronous", 2)):
            cursor.execute(f"PRAGMA {pragma}")
            assert cursor.fetchone() == (expected,), pragma
