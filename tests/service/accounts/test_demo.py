"""Demo mode lets visitors from this machine in, and nobody else; outside demo its accounts are closed."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.test import Client

from epiluma.service.accounts import demo
from epiluma.service.accounts.models import User


@pytest.fixture
def demo_mode(db: None, settings: django_settings) -> None:
    position = settings.MIDDLEWARE.index("django.contrib.messages.middleware.MessageMiddleware")
    settings.MIDDLEWARE.insert(position, "epiluma.service.accounts.demo.sign_in_visitor")
    demo.open_accounts()


def test_a_visitor_from_this_machine_is_signed_in(demo_mode: None, client: Client) -> None:
    response = client.get("/screenings/")
    assert response.status_code == 200
    assert response.wsgi_request.user.email == demo.ACCOUNTS[0].email


@pytest.mark.parametrize(
    "visitor", [{"REMOTE_ADDR": "192.0.2.7"}, {"REMOTE_ADDR": "2001:db8::7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}]
)
def test_a_visitor_from_elsewhere_is_not(demo_mode: None, client: Client, visitor: dict[str, str]) -> None:
    response = client.get("/screenings/", **visitor)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


def test_signing_out_lasts_until_signing_in(demo_mode: None, client: Client) -> None:
    client.get("/")
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302
    page = client.get("/sign-in/").content.decode()
    assert demo.ACCOUNTS[1].email in page
    second = demo.ACCOUNTS[1]
    client.post("/sign-in/", {"username": second.email.upper(), "password": second.password})
    assert client.get("/screenings/").wsgi_request.user.email == second.email


def test_a_health_check_makes_no_session(demo_mode: None, client: Client) -> None:
    assert "sessionid" not in client.get("/healthz").cookies
    assert "sessionid" not in client.get("/nothing/").cookies


def test_demo_accounts_are_closed_outside_demo(demo_mode: None, client: Client) -> None:
    demo.close_accounts()
    first = demo.ACCOUNTS[0]
    response = client.post("/sign-in/", {"username": first.email, "password": first.password})
    assert response.status_code == 200
    assert "do not match" in response.content.decode()
    assert client.get("/").status_code == 302
    demo.open_accounts()
    assert User.objects.filter(is_active=True).count() == len(demo.ACCOUNTS)
