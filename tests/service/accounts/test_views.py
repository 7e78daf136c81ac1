"""Signing in with an e-mail address."""

from __future__ import annotations

import pytest
from django.test import Client

from epiluma.service.accounts.models import User


@pytest.mark.parametrize("email", ["owner@one.example", "OWNER@One.Example"])
def test_sign_in_leads_to_where_one_wanted_to_go(client: Client, owner: User, email: str) -> None:
    response = client.post(
        "/sign-in/", {"username": email, "password": "correct horse", "next": "/screenings/"}, follow=True
    )
    assert response.redirect_chain == [("/screenings/", 302)]
    assert response.wsgi_request.user == owner


def test_sign_in_never_leads_elsewhere(client: Client, owner: User) -> None:
    response = client.post(
        "/sign-in/", {"username": owner.email, "password": "correct horse", "next": "https://evil.example/"}
    )
    assert response["Location"] == "/"


@pytest.mark.parametrize("email", ["owner@one.example", "nobody@one.example"])
def test_a_wrong_password_and_an_unknown_address_look_the_same(client: Client, owner: User, email: str) -> None:
    page = client.post("/sign-in/", {"username": email, "password": "wrong"}).content.decode()
    assert "This e-mail address and password do not match." in page
    assert 'role="alert"' in page


def test_sign_out(owner_client: Client) -> None:
    assert owner_client.post("/sign-out/").status_code == 302
    assert owner_client.get("/").status_code == 302
