"""Which addresses our HTTP clients ask, and how long a server may ask them to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from epiluma.http_rules import BadAddress, check_scheme, parts_of, seconds_of


@pytest.mark.parametrize(
    "url", ["https://clinic.example/api", "http://127.0.0.1:8000", "http://[::1]", "http://localhost"]
)
def test_https_and_this_machine_are_asked(url: str) -> None:
    check_scheme(parts_of(url))


@pytest.mark.parametrize(
    "url", ["http://clinic.example", "http://10.0.0.1", "ftp://127.0.0.1", "clinic.example", "https://"]
)
def test_others_are_not(url: str) -> None:
    with pytest.raises(BadAddress, match="is not an https address"):
        check_scheme(parts_of(url))


def test_a_port_that_is_none_is_refused_and_a_query_is_not_repeated() -> None:
    with pytest.raises(BadAddress) as told:
        parts_of("https://clinic.example:port?token=secret")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(("said", "seconds"), [("120", 120.0), ("0", 0.0), ("", None), ("soon", None), ("-5", None)])
def test_a_rest_in_seconds(said: str, seconds: float | None) -> None:
    assert seconds_of(said) == seconds


def test_a_rest_until_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds_of(format_datetime(later, usegmt=True)) == pytest.approx(90, abs=5)
    assert seconds_of(format_datetime(later - timedelta(hours=1), usegmt=True)) == 0.0
