"""Sending against a real server that misbehaves: nothing is lost, nothing is kept twice, and the reason is said."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.edge import sync
from epiluma.edge.queue import Screened
from epiluma.edge.sync import LONGEST_REST_S, LONGEST_WAIT_S, Later, Pace, Rejected, Sent, SyncError, send, server_at
from epiluma.http_rules import BadAddress
from tests.edge.conftest import Hostile, jpeg

SCREENING = json.dumps({"file": "é.jpg", "diagnosis": None})
ITEM = Screened("ab" * 32, "2026-01-02T03:04:05.678+00:00", jpeg(1), SCREENING, "cd" * 32)
Start = Callable[..., Hostile]


def test_the_request_is_the_one_that_is_documented(hostile: Start, token: Path) -> None:
    server = hostile()
    outcome = send(server_at(server.url + "/", token), ITEM)
    assert outcome == Sent("screening-0")
    (seen,) = server.seen()
    assert seen["key"] == hashlib.sha256(f"{'ab' * 32}:{'cd' * 32}".encode()).hexdigest()
    assert seen["photo"] == hashlib.sha256(ITEM.photo).hexdigest()
    assert seen["screening"] == json.loads(SCREENING)
    assert datetime.fromisoformat(seen["taken_at"]) == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert seen["types"] == {"screening": "application/json", "taken_at": "text/plain", "photo": "image/jpeg"}


def test_a_second_photo_has_another_key_and_the_same_photo_by_another_bundle_too() -> None:
    keys = {
        sync.idempotency_key(item)
        for item in (ITEM, ITEM._replace(sha256="ac" * 32), ITEM._replace(bundle="ce" * 32), ITEM)
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("fault", "outcome", "said"),
    [
        ("500", Later, "answered 500"),
        ("503:7", Later, "answered 503"),
        ("429:7", Later, "answered 429"),
        ("408", Later, "answered 408"),
        ("401", Later, "give this device a token that is valid"),
        ("403", Later, "give this device a token that is valid"),
        ("404", Later, "answered 404"),
        ("307:https://elsewhere.example/", Later, "give the address it leads to (https://elsewhere.example/)"),
        ("refuse", Later, "cannot be reached"),
        ("cut", Later, "cannot be reached"),
        ("portal", Later, "without confirming the photo"),
        ("other", Later, "without confirming the photo"),
        ("204", Later, "answered 204"),
        ("400", Rejected, "answered 400"),
        ("413", Rejected, "answered 413"),
        ("415", Rejected, "answered 415"),
        ("422", Rejected, 'answered 422 ({"reason": "made\\nup \\u001b[31m"})'),
    ],
)
def test_what_each_misbehaviour_comes_to(hostile: Start, token: Path, fault: str, outcome: type, said: str) -> None:
    server = hostile(fault)
    found = send(server_at(server.url, token), ITEM)
    assert isinstance(found, outcome)
    assert not isinstance(found, Sent)
    assert said in found.why
    assert found.why.isprintable()
    if isinstance(found, Later):
        assert found.rest == (7 if fault.endswith(":7") else None)
        assert isinstance(send(server_at(server.url, token), ITEM), Sent)


def test_a_line_that_is_cut_after_the_server_has_it_does_not_double_it(hostile: Start, token: Path) -> None:
    server = hostile("cut", "slow", "cut")
    outcomes = [send(server_at(server.url, token), ITEM) for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [Later, Sent, Later, Sent]
    assert len(server.kept()) == 1
    assert len({(one["key"], one["body"]) for one in server.seen()}) == 1


def test_a_redirect_does_not_carry_the_token_elsewhere(hostile: Start, token: Path) -> None:
    elsewhere = hostile()
    server = hostile(f"302:{elsewhere.url}/api/v1/screenings")
    assert isinstance(send(server_at(server.url, token), ITEM), Later)
    assert elsewhere.seen() == []


def test_a_wrong_token_is_not_the_photos_fault(hostile: Start, token: Path) -> None:
    token.write_text("wrong")
    outcome = send(server_at(hostile().url, token), ITEM)
    assert isinstance(outcome, Later)
    assert "answered 401" in outcome.why


def test_a_server_that_drips_is_given_up_on(hostile: Start, token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "DEADLINE_S", 1.0)
    server, began = hostile("drip"), time.monotonic()
    assert isinstance(send(server_at(server.url, token), ITEM), Later)
    assert time.monotonic() - began < 5
    assert isinstance(send(server_at(server.url, token), ITEM), Sent)
    assert len(server.kept()) == 1


def test_a_server_that_says_nothing_is_given_up_on(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = send(server_at(f"http://127.0.0.1:{silent.getsockname()[1]}", token), ITEM)
    assert isinstance(outcome, Later)


def test_a_server_that_is_down(token: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    outcome = send(server_at(f"http://127.0.0.1:{port}", token), ITEM)
    assert isinstance(outcome, Later)
    assert "refused" in outcome.why


@pytest.mark.parametrize(
    "url", ["http://clinic.example", "ftp://127.0.0.1", "clinic.example", "http://10.0.0.1", "https://", "https://a:b"]
)
def test_a_token_goes_nowhere_in_the_clear(token: Path, url: str) -> None:
    with pytest.raises(BadAddress, match="is not an https address"):
        server_at(url, token)


@pytest.mark.parametrize("url", ["https://a@clinic.example", "https://clinic.example?x=1"])
def test_an_address_with_more_than_host_and_path(token: Path, url: str) -> None:
    with pytest.raises(SyncError, match="give scheme, host and path only"):
        server_at(url, token)


@pytest.mark.parametrize("text", ["", " \n", "two words", "two\nlines", "naïve", "a\x00b"])
def test_a_file_that_holds_no_token(token: Path, text: str) -> None:
    token.write_text(text)
    with pytest.raises(SyncError, match=re.escape(str(token))):
        server_at("https://clinic.example", token)


def test_a_missing_token_file(tmp_path: Path) -> None:
    with pytest.raises(SyncError, match="cannot be read"):
        server_at("https://clinic.example", tmp_path / "missing")


@given(st.integers(0, 60), st.none() | st.floats(0, 1e6))
def test_waits_double_with_chance_and_respect_the_rest_that_is_asked_for(failures: int, rest: float | None) -> None:
    pace = Pace()
    for _ in range(failures):
        pace.after(Later(""))
    wait, full = pace.after(Later("", rest)), min(LONGEST_WAIT_S, 2.0**failures)
    assert wait <= max(full, min(rest or 0, LONGEST_REST_S))
    assert wait >= max(full / 2, min(rest or 0, LONGEST_REST_S))
    assert pace.after(Sent("1")) == 0
    assert pace.after(Later("")) <= 1
