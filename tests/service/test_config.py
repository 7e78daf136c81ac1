"""Settings are read once, typed, and refused with the way out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from epiluma.service.config import KNOWN, ConfigurationError, read

SECRET = "k3y-" * 12 + "abcdefgh"
PRODUCTION = {"EPILUMA_SECRET_KEY": SECRET, "EPILUMA_DATA_DIR": "/srv/epiluma"}


def test_demo_needs_nothing() -> None:
    configuration = read({"EPILUMA_DEMO": "1"})
    assert configuration.demo
    assert configuration.allowed_hosts == ("127.0.0.1", "localhost", "[::1]")
    assert configuration.data_dir.is_absolute()
    with pytest.raises(dataclasses.FrozenInstanceError):
        configuration.demo = False  # type: ignore[misc]


def test_production_settings_arrive_typed() -> None:
    configuration = read(
        PRODUCTION
        | {
            "EPILUMA_ALLOWED_HOSTS": "skin.example, www.skin.example",
            "EPILUMA_BUNDLE": "/srv/model.epiluma",
            "EPILUMA_BUNDLE_ID": "ab" * 32,
            "EPILUMA_ACCEPT_NON_COMMERCIAL": "yes",
            "EPILUMA_BEHIND_PROXY": "1",
            "EPILUMA_TIME_ZONE": "Asia/Shanghai",
        }
    )
    assert configuration.data_dir == Path("/srv/epiluma")
    assert configuration.database.parent == configuration.data_dir
    assert configuration.allowed_hosts == ("skin.example", "www.skin.example")
    assert configuration.bundle == Path("/srv/model.epiluma")
    assert configuration.bundle_id == "ab" * 32
    assert configuration.accept_non_commercial
    assert configuration.behind_proxy
    assert configuration.time_zone == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"EPILUMA_SECRET_KEY": ""}, "EPILUMA_SECRET_KEY is missing"),
        ({"EPILUMA_SECRET_KEY": "short"}, "EPILUMA_SECRET_KEY is too weak"),
        ({"EPILUMA_SECRET_KEY": "a" * 80}, "EPILUMA_SECRET_KEY is too weak"),
        ({"EPILUMA_DEMO": "perhaps"}, "EPILUMA_DEMO is 'perhaps'; use 1 or 0"),
        ({"EPILUMA_TIME_ZONE": "Mars/Olympus"}, "EPILUMA_TIME_ZONE is 'Mars/Olympus'"),
        ({"EPILUMA_TIME_ZONE": "../etc/passwd"}, "EPILUMA_TIME_ZONE"),
        ({"EPILUMA_DEMO": "1", "EPILUMA_ALLOWED_HOSTS": "skin.example"}, "unset EPILUMA_ALLOWED_HOSTS"),
        ({"EPILUMA_DEMO": "1", "EPILUMA_BEHIND_PROXY": "1"}, "unset EPILUMA_BEHIND_PROXY"),
        ({"EPILUMA_ACEPT_NON_COMMERCIAL": "1"}, "did you mean EPILUMA_ACCEPT_NON_COMMERCIAL"),
        ({"EPILUMA_ALLOWED_HOST": "skin.example"}, "did you mean EPILUMA_ALLOWED_HOSTS"),
    ],
)
def test_refused_with_the_way_out(changed: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read(PRODUCTION | changed)


def test_other_variables_are_none_of_ours() -> None:
    read(PRODUCTION | {"EPILUMA_REQUIRE": "all", "EPILUMA_CHROMIUM": "/usr/bin/chromium", "EPILUMA_DATA_ROOT": "/data"})


def test_every_setting_is_in_the_handbook() -> None:
    handbook = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"
    text = handbook.read_text(encoding="utf-8")
    assert [name for name in KNOWN if f"`{name}`" not in text] == []
