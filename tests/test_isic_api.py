"""The polite client against a real server on this machine, and against hosts that only a mock can play."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from epiluma import isic_api
from epiluma.errors import EpilumaError
from epiluma.isic_api import ArchiveError, BadAddress, Refused, Unusable
from tests.isic_server import SEARCH, Archive, jpeg, serve

FILE = "/files/ISIC_0000001.jpg"
REAL_API = "https://api.isic-archive.com/api/v2"
PRIVATE = [
    "https://10.0.0.1/a.jpg",
    "https://192.168.1.1/a.jpg",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/a.jpg",
    "https://[::1]/a.jpg",
    "https://[::ffff:10.0.0.1]/a.jpg",
    "https://0.0.0.0/a.jpg",
    "https://localhost/a.jpg",
    "https://2130706433/a.jpg",
    "http://127.0.0.2/a.jpg",
]


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(isic_api, "PAUSE_S", 0.0)
    monkeypatch.setattr(isic_api, "BACKOFF_S", 0.001)
    with serve() as held:
        held.add(1)
        yield held


def download(archive: Archive, path: str = FILE) -> bytes:
    with isic_api.Archive(archive.api) as session:
        return session.download(f"{archive.address}{path}")


def mocked(answer: Callable[[httpx.Request], httpx.Response]) -> isic_api.Archive:
    return isic_api.Archive(REAL_API, httpx.Client(transport=httpx.MockTransport(answer)))


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_redirect_of_a_file_is_followed_a_few_times(archive: Archive) -> None:
    archive.files["/files/moved.jpg"] = jpeg(turn=90)
    archive.fail(FILE, "/files/moved.jpg", FILE, FILE, "/files/moved.jpg", FILE, FILE, FILE, FILE, FILE)
    assert download(archive) == jpeg(turn=90)
    assert download(archive) == jpeg(turn=90), "three times"
    with pytest.raises(Refused, match="answered 302"):
        download(archive)


@pytest.mark.parametrize("address", PRIVATE)
def test_nothing_leads_to_a_private_address(archive: Archive, address: str) -> None:
    archive.fail(FILE, address)
    with pytest.raises(Refused, match="inside a private network"):
        download(archive)
    with isic_api.Archive(archive.api) as session, pytest.raises(Refused, match="inside a private network"):
        session.download(address)
    assert archive.paths == [FILE]


@pytest.mark.parametrize("addresses", [("10.1.2.3",), ("93.184.216.34", "192.168.0.7"), ("fe80::1%eth0",)])
def test_a_name_that_stands_for_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    resolve_to(monkeypatch, *addresses)
    asked: list[httpx.Request] = []
    session = mocked(lambda request: asked.append(request) or httpx.Response(200))
    with pytest.raises(Refused, match=r"files\.example is an address inside a private network"):
        session.download("https://files.example/a.jpg")
    assert not asked


def test_another_public_host_may_hold_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.216.34")
    assert mocked(lambda _: httpx.Response(200, content=b"photo")).download("https://files.example/a.jpg") == b"photo"


def test_the_archives_own_hosts_need_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "198.18.0.5")  # what a local proxy may answer for every name
    session = mocked(lambda _: httpx.Response(200, content=b"photo"))
    assert session.download("https://content.isic-archive.com/1/a.jpg?Signature=x") == b"photo"
    for address in ("https://content.isic-archive.com.example/a.jpg", "https://evilisic-archive.com/a.jpg"):
        with pytest.raises(Refused, match="private network"):
            session.download(address)


@pytest.mark.parametrize("address", ["http://example.org/a.jpg", "file:///etc/passwd", "https://[::1", "https://a:b/c"])
def test_what_is_no_https_address_is_not_asked(archive: Archive, address: str) -> None:
    with isic_api.Archive(archive.api) as session, pytest.raises(Unusable, match="is not an https address"):
        session.download(address)
    with pytest.raises(BadAddress, match="is not an https address"):
        isic_api.Archive(address)


@given(st.one_of(st.text(), st.text().map("https://{}".format), st.text().map("https://a/{}".format)))
@settings(max_examples=60, deadline=None)
def test_an_address_of_any_kind_gives_a_file_or_a_plain_error(address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isic_api, "PAUSE_S", 0.0)
        patch.setattr(isic_api, "BACKOFF_S", 0.0)
        patch.setattr(socket, "getaddrinfo", unresolved)
        session = mocked(lambda _: httpx.Response(200, content=b"photo"))
        with contextlib.suppress(EpilumaError):
            assert session.download(address) == b"photo"


def unresolved(*_: Any, **__: Any) -> None:
    raise OSError("no such name")


def test_waits_double_while_the_server_fails(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(isic_api, "BACKOFF_S", 0.5)
    monkeypatch.setattr(isic_api.time, "sleep", waits.append)
    archive.busy = [(500, {}), (502, {}), (503, {"Retry-After": "7"}), (429, {}), (504, {})]
    with isic_api.Archive(archive.api, attempts=6) as session:
        assert len(next(session.pages("sex:male")).results) == 1
    assert waits == [0.5, 1.0, 7.0, 4.0, 8.0]


def test_a_date_may_say_when_to_come_back(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(isic_api.time, "sleep", waits.append)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    archive.busy = [(429, {"Retry-After": later}), (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]
    archive.busy += [(429, {"Retry-After": "soon"})]
    with isic_api.Archive(archive.api, attempts=4) as session:
        next(session.pages("sex:male"))
    assert 20 < waits[0] <= 40
    assert waits[1:] == [0.0, 0.004]


def test_a_server_that_asks_for_a_long_rest_is_not_asked_again(archive: Archive) -> None:
    archive.busy = [(429, {"Retry-After": "3600"})]
    with pytest.raises(ArchiveError, match="answered 429 and asks for a rest of 3600 s"):
        download(archive)
    assert len(archive.asked) == 1


def test_it_rests_between_two_downloads(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isic_api, "PAUSE_S", 30.0)
    waits: list[float] = []
    monkeypatch.setattr(isic_api.time, "sleep", waits.append)
    with isic_api.Archive(archive.api) as session:
        for _ in range(2):
            session.download(f"{archive.address}{FILE}")
    assert waits[0] == 0
    assert 20 < waits[1] <= 30


@pytest.mark.parametrize("fault", ["cut", "long"])
def test_a_body_that_ends_early_is_asked_for_again(archive: Archive, fault: str) -> None:
    archive.fail(FILE, fault, fault)
    assert download(archive) == jpeg()
    archive.fail(FILE, fault, fault, fault)
    with pytest.raises(ArchiveError, match=r"cannot reach 127\.0\.0\.1"):
        download(archive)


def test_a_length_that_is_too_short_is_found_by_decoding(archive: Archive) -> None:
    archive.fail(FILE, "short")
    with pytest.raises(Unusable, match="cannot be decoded"):
        isic_api.check_photo(download(archive))


def test_a_server_that_drips_is_given_up_on(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isic_api, "DEADLINE_S", 0.2)
    archive.files[FILE] = bytes(60_000)  # ten minutes at this pace
    archive.fail(FILE, "drip")
    began = time.monotonic()
    with pytest.raises(Refused, match="took longer than"):
        download(archive)
    assert time.monotonic() - began < 60


def test_a_link_to_the_next_page_cannot_lead_elsewhere() -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        following = "https://elsewhere.example/images/search/?cursor=abc" if len(asked) == 1 else None
        return httpx.Response(200, json={"results": [], "next": following})

    assert len(list(mocked(answer).pages("sex:male"))) == 2
    assert {url.host for url in asked} == {"api.isic-archive.com"}
    assert [url.params.get("cursor") for url in asked] == [None, "abc"]


def test_a_search_that_goes_in_circles_is_ended() -> None:
    session = mocked(lambda _: httpx.Response(200, json={"results": [], "next": "?cursor=abc"}))
    with pytest.raises(ArchiveError, match="the same page of 'sex:male' again and again"):
        list(session.pages("sex:male"))


def test_a_query_that_the_archive_does_not_take_is_quoted(archive: Archive) -> None:
    archive.fail(SEARCH, "400")
    with (
        isic_api.Archive(archive.api) as session,
        pytest.raises(ArchiveError, match=r"search results to 'age:' .*answered 400"),
    ):
        next(session.pages("age:"))


def test_only_a_whole_jpeg_of_a_sensible_size_is_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    isic_api.check_photo(jpeg())
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, "PNG")
    for data, reason in [
        (jpeg()[:-200], "cannot be decoded"),
        (b"", "cannot be decoded"),
        (buffer.getvalue(), "it is a PNG"),
    ]:
        with pytest.raises(Unusable, match=reason):
            isic_api.check_photo(data)
    monkeypatch.setattr(isic_api, "IMAGE_PIXELS", 1599)
    with pytest.raises(Unusable, match="40 x 40 pixels are too many"):
        isic_api.check_photo(jpeg())


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metadata.csv"
    isic_api.write_whole(path, b"old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        isic_api.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
