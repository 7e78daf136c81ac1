"""Against a real HTTP server on this machine that answers as version 2 of the ISIC Archive's API does."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from epiluma import isic_api
from epiluma.examples import Unavailable, fetch_online
from tests.isic_server import Archive, jpeg, serve


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(isic_api, "PAUSE_S", 0.0)
    with serve() as held:
        yield held


def test_images_come_with_their_attribution(archive: Archive, tmp_path: Path) -> None:
    clinical = {"diagnosis_1": "Benign", "diagnosis_2": "Benign melanocytic proliferations", "diagnosis_3": "Nevus"}
    archive.add(1, metadata={"clinical": clinical})
    archive.add(2, metadata={"clinical": {"diagnosis": "melanoma"}}, attribution=None)
    archive.add(3, metadata={})
    paths = fetch_online(tmp_path / "new", count=3, api=archive.api)
    assert [path.name for path in paths] == ["ISIC_0000001.jpg", "ISIC_0000002.jpg", "ISIC_0000003.jpg"]
    notes = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
    assert [note["diagnosis"] for note in notes] == ["Nevus", "melanoma", None]
    assert [note["attribution"] for note in notes] == ["Hospital 1", None, "Hospital 3"]
    first = notes[0]
    assert first["isic_id"] == "ISIC_0000001"
    assert first["licence"] == "CC-0"
    assert first["url"] == f"{archive.api}/images/ISIC_0000001/"
    assert first["file_url"] == f"{archive.address}/files/ISIC_0000001.jpg", "without the signature"
    for path in paths:
        assert path.read_bytes() == jpeg()
    assert sorted(path.suffix for path in (tmp_path / "new").iterdir()) == [".jpg"] * 3 + [".json"] * 3


def test_it_asks_for_cc0_dermoscopy_and_says_who_it_is(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    fetch_online(tmp_path, count=1, api=archive.api)
    query = archive.asked[0][1]
    assert query["query"] == 'copyright_license:"CC-0" AND image_type:dermoscopic'
    assert all(agent.startswith("epiluma/") for _, _, agent in archive.asked)


def test_it_turns_pages_until_it_has_enough(archive: Archive, tmp_path: Path) -> None:
    for number in range(9):
        archive.add(number)
    archive.page_size = 2
    assert len(fetch_online(tmp_path, count=5, api=archive.api)) == 5
    searches = [query for path, query, _ in archive.asked if path.endswith("/search/")]
    assert len(searches) == 3
    assert len({query.get("cursor") for query in searches}) == 3


def test_fewer_than_asked_is_what_there_is(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    assert len(fetch_online(tmp_path, count=5, api=archive.api)) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"licence": "CC-BY-NC"}, "its licence is CC-BY-NC"),
        ({"data": jpeg()[:300]}, "cannot be decoded"),
        ({"data": b"<html>sign in</html>"}, "cannot be decoded"),
        ({"data": b""}, "cannot be decoded"),
        ({"isic_id": "../../ISIC_0000007"}, "its id is not"),
        ({"files": {"full": {"url": "http://example.org/a.jpg", "size": 1}}}, "not an https address"),
        ({"files": {"full": {"url": "file:///etc/passwd", "size": 1}}}, "not an https address"),
    ],
)
def test_an_image_that_cannot_be_used_is_left_out_with_a_reason(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: dict[str, Any], reason: str
) -> None:
    archive.add(7, **bad)
    good = archive.add(8)
    with caplog.at_level(logging.WARNING):
        paths = fetch_online(tmp_path / "folder", count=2, api=archive.api)
    assert [path.stem for path in paths] == [good]
    assert reason in caplog.text
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [f"{good}.jpg", f"{good}.json"]


def test_an_image_with_another_licence_is_not_even_fetched(archive: Archive, tmp_path: Path) -> None:
    name = archive.add(1, licence="CC-BY")
    archive.add(2)
    fetch_online(tmp_path, count=1, api=archive.api)
    assert not [path for path in archive.paths if name in path]


def test_an_over_large_image_is_given_up_early(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isic_api, "IMAGE_BYTES", 100_000)
    archive.add(1, data=jpeg() + bytes(5_000_000))
    archive.images["ISIC_0000001"]["files"] = {
        "full": {"url": f"{archive.address}/files/ISIC_0000001.jpg", "size": 10}  # a lie
    }
    archive.add(2)
    assert [path.stem for path in fetch_online(tmp_path, count=2, api=archive.api)] == ["ISIC_0000002"]
    assert "larger than" in caplog.text


def test_a_large_original_is_replaced_by_its_thumbnail(archive: Archive, tmp_path: Path) -> None:
    name = archive.add(1)
    archive.images[name]["files"]["full"]["size"] = 90_000_000
    fetch_online(tmp_path, count=1, api=archive.api)
    assert archive.paths[-1] == f"/thumbnails/{name}.jpg"


@pytest.mark.parametrize("side", [7000, 12_000, 60_000])
def test_too_many_pixels_are_refused_unread(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture, side: int
) -> None:
    data = bytearray(jpeg())
    sizes = data.index(b"\xff\xc0") + 5  # the frame header: two bytes of height, two of width
    data[sizes : sizes + 4] = side.to_bytes(2, "big") * 2
    archive.add(1, data=bytes(data))
    with pytest.raises(Unavailable, match="no image that can be used"):
        fetch_online(tmp_path, count=1, api=archive.api)
    assert "pixels" in caplog.text


def test_a_busy_server_is_asked_again_after_the_time_it_names(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    archive.busy = [(429, {"Retry-After": "1"}), (503, {"Retry-After": "0"})]
    began = time.monotonic()
    assert len(fetch_online(tmp_path, count=1, api=archive.api)) == 1
    assert 1 <= time.monotonic() - began < 5
    assert len(archive.asked) == 4


def test_a_server_that_stays_busy_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    archive.busy = [(429, {"Retry-After": "0"})] * 9
    with pytest.raises(Unavailable, match=r"answered 429.*the drawn examples work without a network"):
        fetch_online(tmp_path, count=1, api=archive.api)
    assert len(archive.asked) == 3


def test_what_is_there_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    for number in range(4):
        archive.add(number)
    first = fetch_online(tmp_path, count=2, api=archive.api)
    archive.asked.clear()
    assert fetch_online(tmp_path, count=2, api=archive.api) == first
    assert archive.asked == [], "no request when nothing is missing"
    assert len(fetch_online(tmp_path, count=4, api=archive.api)) == 4
    assert not {f"/files/{path.name}" for path in first} & set(archive.paths)


def test_an_interrupted_image_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    (tmp_path / "ISIC_0000001.part").write_bytes(b"half")
    (tmp_path / "ISIC_0000001.json").write_text("{}")
    (path,) = fetch_online(tmp_path, count=1, api=archive.api)
    assert path.read_bytes() == jpeg()
    assert json.loads(path.with_suffix(".json").read_text())["isic_id"] == "ISIC_0000001"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"results": [{"isic_id": 3}]}', b"\xff\xfe"])
def test_an_answer_that_is_no_search_result_is_a_plain_error(archive: Archive, tmp_path: Path, body: bytes) -> None:
    archive.search_body = body
    with pytest.raises(Unavailable, match="did not answer with search results"):
        fetch_online(tmp_path, count=1, api=archive.api)


def test_an_endless_search_answer_is_cut_off(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isic_api, "PAGE_BYTES", 50_000)
    archive.search_body = b" " * 3_000_000
    with pytest.raises(Unavailable, match="larger than"):
        fetch_online(tmp_path, count=1, api=archive.api)


def test_a_redirect_is_not_followed(archive: Archive, tmp_path: Path) -> None:
    archive.busy = [(302, {"Location": "http://example.org/"})]
    with pytest.raises(Unavailable, match="answered 302"):
        fetch_online(tmp_path, count=1, api=archive.api)


def test_offline_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match=r"cannot reach 127\.0\.0\.1 .*the drawn examples work without a network"):
        fetch_online(tmp_path, count=1, api=f"http://127.0.0.1:{port}/api/v2")


@pytest.mark.parametrize("api", ["http://api.isic-archive.com/api/v2", "ftp://a/b", "file:///tmp", "nonsense", ""])
def test_only_https_leaves_this_machine(tmp_path: Path, api: str) -> None:
    with pytest.raises(ValueError, match="not an https address"):
        fetch_online(tmp_path, count=1, api=api)


def test_a_client_of_the_caller_is_used_and_left_open(archive: Archive, tmp_path: Path) -> None:
    archive.add(1)
    with httpx.Client(timeout=5) as client:
        fetch_online(tmp_path, count=1, api=archive.api, client=client)
        assert not client.is_closed


def test_the_drawn_examples_do_not_load_httpx() -> None:
    code = "import sys, epiluma.examples as e; e.example_photos(); assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
