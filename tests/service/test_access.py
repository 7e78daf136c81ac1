"""Who may reach what: every address of the service, by everyone in the cast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from epiluma.service.accounts.models import User
from epiluma.service.cases.models import Photo, Screening

OPEN, OWN, SIGNED_IN = "open to anyone", "only the owner's", "for anyone signed in"
RULES = {
    "healthz": OPEN,
    "set-language": OPEN,
    "sign-in": OPEN,
    "sign-out": SIGNED_IN,
    "home": SIGNED_IN,
    "screen-example": SIGNED_IN,
    "example": SIGNED_IN,
    "screenings": SIGNED_IN,
    "screening": OWN,
    "delete-screening": OWN,
    "photo": OWN,
}
"""One line per address; an address without one fails the test below."""
POST_ONLY = {"set-language", "sign-out", "screen-example", "delete-screening"}
PAGES = sorted(name for name, rule in RULES.items() if rule == OWN)


def every_pattern(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from every_pattern(entry.url_patterns)
        else:
            yield entry


def address(name: str, kept: Screening, example: str = "x") -> str:
    arguments = {
        "screening": {"pk": kept.pk},
        "delete-screening": {"pk": kept.pk},
        "photo": {"pk": kept.photo_id, "rendition": "original"},
        "example": {"name": example},
    }
    return reverse(name, kwargs=arguments.get(name, {}))


def ask(client: Client, name: str, kept: Screening) -> int:
    method = client.post if name in POST_ONLY else client.get
    response = method(address(name, kept))
    response.close()
    return response.status_code


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_every_address_has_a_rule() -> None:
    assert {pattern.name for pattern in every_pattern(get_resolver().url_patterns)} == set(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_anonymous_visitors_are_sent_to_sign_in(name: str, kept: Screening) -> None:
    client = Client()
    response = (client.post if name in POST_ONLY else client.get)(address(name, kept))
    sent_away = response.status_code == 302 and response["Location"].startswith(reverse("sign-in"))
    assert sent_away == (RULES[name] != OPEN)
    assert Screening.objects.filter(pk=kept.pk).exists()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("who", "expected"), [("owner", {200, 302}), ("teammate", {404}), ("outsider", {404})])
def test_only_the_owner_reaches_their_screening(
    name: str, who: str, expected: set[int], kept: Screening, request: pytest.FixtureRequest
) -> None:
    answer = ask(signed_in(request.getfixturevalue(who)), name, kept)
    assert answer in expected
    assert Screening.objects.filter(pk=kept.pk).exists() == (who != "owner" or name != "delete-screening")


@pytest.mark.parametrize("who", ["teammate", "outsider"])
def test_lists_show_only_the_own(who: str, kept: Screening, request: pytest.FixtureRequest) -> None:
    user = request.getfixturevalue(who)
    page = signed_in(user).get(reverse("screenings")).content.decode()
    assert str(kept.pk) not in page
    assert list(Screening.objects.visible(user)) == []
    assert list(Photo.objects.visible(user)) == []


def test_an_owner_who_moves_to_another_clinic_leaves_the_photos_behind(kept: Screening, outsider: User) -> None:
    owner = kept.photo.owner
    owner.clinic = outsider.clinic
    owner.save()
    assert list(Screening.objects.visible(owner)) == []
    assert list(Photo.objects.visible(owner)) == []


@pytest.mark.parametrize("name", sorted(POST_ONLY))
def test_changes_need_a_post(name: str, kept: Screening, owner_client: Client) -> None:
    assert owner_client.get(address(name, kept)).status_code == 405


@pytest.mark.parametrize("name", sorted(POST_ONLY | {"home", "sign-in"}))
def test_changes_need_our_own_form(name: str, kept: Screening, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post(address(name, kept))
    assert response.status_code == 403
    assert "This form is out of date." in response.content.decode()
    assert Screening.objects.filter(pk=kept.pk).exists()


def test_an_unknown_rendition_is_not_there(kept: Screening, owner_client: Client) -> None:
    assert owner_client.get(f"/photos/{kept.photo_id}/secret/").status_code == 404
