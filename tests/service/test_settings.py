"""Django's own checks, in a process of their own: nothing of the tests' settings is in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from epiluma.service.accounts.models import User

PRODUCTION = {
    "EPILUMA_SECRET_KEY": "k3y-" * 12 + "abcdefgh",
    "EPILUMA_ALLOWED_HOSTS": "skin.example",
    "DJANGO_SETTINGS_MODULE": "epiluma.service.settings",
}


def django(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (data_dir / "uploads").mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EPILUMA_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", *arguments],
        env=clean | PRODUCTION | environment | {"EPILUMA_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["check", "--deploy", "--fail-level", "WARNING"], ["makemigrations", "--check"]])
def test_production_checks_are_clean(arguments: list[str], tmp_path: Path) -> None:
    done = django(*arguments, data_dir=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_production_does_not_start_without_a_secret(tmp_path: Path) -> None:
    done = django("check", data_dir=tmp_path, EPILUMA_SECRET_KEY="")
    assert done.returncode != 0
    assert "EPILUMA_SECRET_KEY is missing" in done.stderr


def test_every_page_forbids_what_it_does_not_use(client: Client, owner: User) -> None:
    client.force_login(owner)
    for address in ("/", "/screenings/", "/sign-in/", "/nothing/"):
        response = client.get(address)
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))


def test_health(client: Client, db: None) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert "sessionid" not in response.cookies
