"""Fetching a query into a folder: from a real server on this machine, interrupted in every way."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma import isic_api
from epiluma.datasets import catalog
from epiluma.datasets.isic_archive import ATTEMPTS, Fetched, fetch
from epiluma.datasets.record import DataError
from tests.isic_server import SEARCH, Archive, jpeg, serve

QUERY = 'diagnosis_3:"Nevus"'
REAL_API = "https://api.isic-archive.com/api/v2"
CHILD = """
import sys
from pathlib import Path
from epiluma import isic_api
from epiluma.datasets.isic_archive import fetch
isic_api.PAUSE_S = 0.0
fetch(sys.argv[1], Path(sys.argv[2]), limit=None, api=sys.argv[3])
"""


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(isic_api, "PAUSE_S", 0.0)
    monkeypatch.setattr(isic_api, "BACKOFF_S", 0.001)
    with serve() as held:
        yield held


def fill(archive: Archive, count: int) -> list[str]:
    """Different nevi, the newest first as the archive gives them."""
    return [archive.add(number, data=jpeg(turn=7 * number)) for number in reversed(range(count))]


def tree(folder: Path) -> dict[str, Any]:
    """Every file with its bytes, except that of the query the day."""
    files: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    files["query.json"] = {k: v for k, v in json.loads(files["query.json"]).items() if k != "date"}
    return files


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_images_come_with_a_table_in_the_archives_own_form(archive: Archive, tmp_path: Path) -> None:
    clinical = {"diagnosis_1": "Benign", "sex": "male", "age_approx": 55, "melanocytic": True, "mel_thick_mm": None}
    acquisition = {"image_type": "dermoscopic", "pixels_x": 40}
    archive.add(2, metadata={"clinical": clinical, "acquisition": acquisition}, licence="CC-BY")
    archive.add(1, attribution='Hospital "A", B')
    result = fetch(QUERY, tmp_path / "new" / "set", limit=None, api=archive.api)
    assert result == Fetched(saved=2, kept=0, omitted=[])
    folder = tmp_path / "new" / "set"
    assert (folder / "metadata.csv").read_text() == (
        "isic_id,attribution,copyright_license,age_approx,diagnosis_1,image_type,melanocytic,pixels_x,sex\n"
        'ISIC_0000001,"Hospital ""A"", B",CC-0,,Benign,dermoscopic,,,\n'
        "ISIC_0000002,Hospital 2,CC-BY,55,Benign,dermoscopic,True,40,male\n"
    )
    assert sorted(path.name for path in folder.rglob("*")) == [
        *("ISIC_0000001.jpg", "ISIC_0000002.jpg", "fetched.jsonl", "images", "metadata.csv", "query.json"),
    ]
    assert (folder / "images" / "ISIC_0000001.jpg").read_bytes() == jpeg()
    stated = json.loads((folder / "query.json").read_text())
    assert len(stated.pop("date")) == len("2026-01-01")
    assert stated == {"query": QUERY, "api": archive.api, "count": 2, "images": 2}


def test_what_was_fetched_is_a_data_set_of_the_catalog(archive: Archive, tmp_path: Path) -> None:
    names = fill(archive, 3)
    fetch(QUERY, tmp_path, limit=None, api=archive.api)
    samples = catalog.read("isic-archive", tmp_path)
    assert [sample.image_id for sample in samples] == sorted(names)
    assert {(s.licence, s.malignant, s.modality) for s in samples} == {("CC0 1.0", False, "dermoscopy")}
    assert [sample.attribution for sample in samples] == ["Hospital 0", "Hospital 1", "Hospital 2"]


def test_it_turns_pages_one_request_at_a_time_and_says_who_it_is(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 7)
    archive.page_size, archive.pace = 3, 0.02
    seen: list[tuple[int, int]] = []
    fetch(QUERY, tmp_path, limit=None, api=archive.api, progress=lambda done, total: seen.append((done, total)))
    assert archive.paths.count(SEARCH) == 3
    assert archive.served == {SEARCH: 3, **_once(range(7))}
    assert archive.most_at_once == 1
    assert {query["query"] for path, query, _ in archive.asked if path == SEARCH} == {QUERY}
    assert all(agent.startswith("epiluma/") and "https://" in agent for _, _, agent in archive.asked)
    assert seen == [(done, 7) for done in range(1, 8)]


def _once(numbers: range) -> dict[str, int]:
    return {f"/files/ISIC_{number:07d}.jpg": 1 for number in numbers}


def test_a_limit_takes_the_first_and_a_larger_one_goes_on(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 6)
    assert fetch(QUERY, tmp_path, limit=2, api=archive.api) == (2, 0, [])
    assert [row["isic_id"] for row in rows(tmp_path)] == ["ISIC_0000004", "ISIC_0000005"], "the first of the search"
    archive.asked.clear()
    assert fetch(QUERY, tmp_path, limit=2, api=archive.api) == (0, 2, [])
    assert archive.asked == [], "nothing is missing, nobody is asked"
    assert fetch(QUERY, tmp_path, limit=5, api=archive.api) == (3, 2, [])
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (1, 5, [])
    assert {path: n for path, n in archive.served.items() if path != SEARCH} == _once(range(6))


def test_an_image_that_turns_up_on_two_pages_is_one_image(archive: Archive, tmp_path: Path) -> None:
    name = archive.add(1)
    archive.search_body = json.dumps({"results": [archive.images[name]] * 2, "count": 2, "next": None}).encode()
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (1, 0, [])
    assert len(rows(tmp_path)) == 1


@pytest.mark.parametrize("held", ["first image", "later image", "second page"])
def test_a_fetch_that_is_killed_goes_on_where_it_was(archive: Archive, tmp_path: Path, held: str) -> None:
    """A real kill of a real process, while half of an answer has arrived."""
    fill(archive, 8)
    archive.page_size = 5
    fetch(QUERY, tmp_path / "whole", limit=None, api=archive.api)
    archive.served.clear()
    where, faults, there = {
        "first image": ("/files/ISIC_0000007.jpg", ["hold"], 0),
        "later image": ("/files/ISIC_0000004.jpg", ["hold"], 3),
        "second page": (SEARCH, ["", "hold"], 5),
    }[held]
    archive.fail(where, *faults)
    folder = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-c", CHILD, QUERY, str(folder), archive.api]) as child:
        try:
            assert archive.held.wait(200)
        finally:
            child.kill()
    archive.release.set()
    assert child.returncode == -9
    assert len(list(folder.glob("images/*"))) == there, "no half image, under no name"
    with pytest.raises(DataError, match=r"metadata\.csv: is not there"):
        catalog.read("isic-archive", folder) if folder.exists() else fail(folder)
    assert fetch(QUERY, folder, limit=None, api=archive.api) == (8 - there, there, [])
    assert {path: n for path, n in archive.served.items() if path != SEARCH} == _once(range(8)), "none twice"
    assert tree(folder) == tree(tmp_path / "whole")


def fail(folder: Path) -> None:
    raise DataError(f"{folder}/metadata.csv: is not there")


class Power(BaseException):
    """Goes off in the middle of something."""


@given(
    st.lists(st.sampled_from(["photo", "gone", "broken", "licence"]), min_size=1, max_size=7),
    st.one_of(st.none(), st.integers(1, 7)),
    st.lists(st.integers(0, 12), max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_whatever_happens_and_whenever_it_stops_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str], limit: int | None, stops: list[int]
) -> None:
    """Stopped after any of its disk writes, any number of times; every image is saved or explained."""
    server = Simulated(kinds)
    folders = [tmp_path_factory.mktemp("fetch") / name for name in ("whole", "stopped")]
    photos = kinds.count("photo") if limit is None else min(limit, kinds.count("photo"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isic_api, "PAUSE_S", 0.0)
        whole = server.fetch(folders[0], limit)
        server.given.clear()
        for stop in stops:
            with pytest.MonkeyPatch.context() as power:
                power.setattr(isic_api.os, "fsync", fuse(stop))
                try:
                    server.fetch(folders[1], limit)
                except Power:
                    continue
        result = server.fetch(folders[1], limit)
    assert (whole.saved, whole.kept) == (photos, 0)
    assert result.saved + result.kept == photos
    again = sum(n - 1 for number, n in server.given.items() if kinds[number] != "gone")
    assert again <= len(stops), "a stop costs one download at most"
    if limit is None:
        assert photos + len(whole.omitted) == len(kinds), "counts in are counts out and counts explained"
        assert result.omitted == whole.omitted
    assert tree(folders[1])["metadata.csv"] == tree(folders[0])["metadata.csv"]
    assert set(tree(folders[1])) == set(tree(folders[0]))
    assert len(rows(folders[1])) == len(list((folders[1] / "images").iterdir())) == photos


def fuse(writes: int) -> Callable[[int], None]:
    left = [writes]

    def fsync(_: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Power

    return fsync


class Simulated:
    """The archive without a network: an image of each kind."""

    def __init__(self, kinds: list[str]) -> None:
        self.kinds = kinds
        self.given: Counter[int] = Counter()

    def fetch(self, folder: Path, limit: int | None) -> Fetched:
        with httpx.Client(transport=httpx.MockTransport(self.answer)) as client:
            return fetch(QUERY, folder, limit=limit, client=client)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/search/"):
            results = [self.result(number) for number in range(len(self.kinds))]
            return httpx.Response(200, json={"results": results, "count": len(results), "next": None})
        number = int(Path(request.url.path).stem[5:])
        self.given[number] += 1
        if self.kinds[number] == "gone":
            return httpx.Response(404)
        return httpx.Response(200, content=jpeg(turn=number)[: -200 if self.kinds[number] == "broken" else None])

    def result(self, number: int) -> dict[str, Any]:
        url = f"https://content.isic-archive.com/ISIC_{number:07d}.jpg"
        licence = "secret" if self.kinds[number] == "licence" else "CC-0"
        files = {"full": {"url": url, "size": 1000}}
        return {"isic_id": f"ISIC_{number:07d}", "copyright_license": licence, "files": files}


def test_a_server_in_trouble_is_left_alone_and_asked_later(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 4)
    archive.fail("/files/ISIC_0000001.jpg", *["500"] * ATTEMPTS)
    with pytest.raises(DataError, match=r"answered 500\); 2 images are there, and the same command later goes on"):
        fetch(QUERY, tmp_path, limit=None, api=archive.api)
    assert archive.paths.count("/files/ISIC_0000001.jpg") == ATTEMPTS
    assert not (tmp_path / "metadata.csv").exists()
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (2, 2, [])
    assert {path: n for path, n in archive.served.items() if path != SEARCH} == _once(range(4))


def test_trouble_that_passes_is_waited_for(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 4)
    archive.busy = [(429, {"Retry-After": "0"}), (503, {}), (500, {})]
    archive.fail("/files/ISIC_0000000.jpg", "cut", "long", "503", "/files/ISIC_0000000.jpg")
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (4, 0, [])
    assert (tmp_path / "images" / "ISIC_0000000.jpg").read_bytes() == jpeg(turn=0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("404", "answered 404"), ("403", "answered 403"), ("https://10.0.0.1/a.jpg", "10.0.0.1 is an address inside")],
)
def test_a_file_that_is_refused_is_asked_for_the_next_time(
    archive: Archive, tmp_path: Path, fault: str, reason: str
) -> None:
    fill(archive, 3)
    archive.fail("/files/ISIC_0000001.jpg", fault)
    saved, kept, (omitted,) = fetch(QUERY, tmp_path, limit=None, api=archive.api)
    assert (saved, kept, len(rows(tmp_path))) == (2, 0, 2)
    assert (omitted.image_id, omitted.kind) == ("ISIC_0000001", "missing")
    assert omitted.where == f"{archive.api}/images/ISIC_0000001/"
    assert reason in omitted.reason
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (1, 2, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"data": jpeg()[:300]}, "cannot be decoded"),
        ({"data": b"<html>sign in</html>"}, "cannot be decoded"),
        ({"files": {"full": {"url": "http://example.org/a.jpg", "size": 1}}}, "not an https address"),
        ({"isic_id": "../../ISIC_0000007"}, "its id is not one of the archive's"),
    ],
)
def test_what_is_no_photo_is_left_out_for_good(
    archive: Archive, tmp_path: Path, bad: dict[str, Any], reason: str
) -> None:
    archive.add(7, **bad)
    archive.add(8)
    for saved in (1, 0):
        result = fetch(QUERY, tmp_path / "set", limit=None, api=archive.api)
        assert (result.saved, result.kept) == (saved, 1 - saved)
        assert [(row.kind, reason in row.reason) for row in result.omitted] == [("broken", True)]
    assert archive.paths.count("/files/ISIC_0000007.jpg") <= 1
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["ISIC_0000008.jpg"]
    assert json.loads((tmp_path / "set" / "query.json").read_text())["omitted"] == 1


def test_an_image_under_an_unknown_licence_is_not_even_fetched(archive: Archive, tmp_path: Path) -> None:
    name = archive.add(1, licence="all rights reserved")
    archive.add(2)
    (omitted,) = fetch(QUERY, tmp_path, limit=None, api=archive.api).omitted
    assert (omitted.image_id, omitted.kind) == (name, "out of scope")
    assert "unknown licence 'all rights reserved'" in omitted.reason
    assert f"/files/{name}.jpg" not in archive.paths


def test_a_licence_that_changes_changes_the_row(archive: Archive, tmp_path: Path) -> None:
    name = archive.add(1)
    archive.add(2)
    fetch(QUERY, tmp_path, limit=None, api=archive.api)
    archive.images[name]["copyright_license"] = "CC-BY-NC"
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (0, 2, [])
    assert [row["copyright_license"] for row in rows(tmp_path)] == ["CC-BY-NC", "CC-0"]
    archive.images[name]["copyright_license"] = "withdrawn"
    saved, kept, (omitted,) = fetch(QUERY, tmp_path, limit=None, api=archive.api)
    assert (saved, kept, omitted.image_id) == (0, 1, name)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["ISIC_0000002.jpg"]
    assert [row["isic_id"] for row in rows(tmp_path)] == ["ISIC_0000002"]
    archive.images[name]["copyright_license"] = "CC-0"
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (1, 1, [])


def test_another_query_is_refused_and_nothing_is_touched(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 2)
    fetch(QUERY, tmp_path, limit=1, api=archive.api)
    before = tree(tmp_path)
    for query, api in [("sex:male", archive.api), (QUERY, REAL_API)]:
        with pytest.raises(DataError, match=r"query\.json: the folder holds 'diagnosis_3:\"Nevus\"' of http://127"):
            fetch(query, tmp_path, limit=1, api=api)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["metadata.csv", "images/ISIC_0000001.jpg", "notes.txt"])
def test_a_folder_with_other_things_is_refused(archive: Archive, tmp_path: Path, name: str) -> None:
    fill(archive, 2)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(DataError, match=r"is no empty folder and holds no query\.json; give a new folder"):
        fetch(QUERY, tmp_path, limit=1, api=archive.api)
    assert (tmp_path / name).read_text() == "mine"
    with pytest.raises(DataError, match="is no empty folder"):
        fetch(QUERY, tmp_path / name, limit=1, api=archive.api)


@pytest.mark.parametrize(("fault", "reason"), [("", "has no image for 'age:'"), ("400", "answered 400")])
def test_a_query_that_finds_nothing_leaves_nothing(archive: Archive, tmp_path: Path, fault: str, reason: str) -> None:
    archive.fail(SEARCH, fault)
    with pytest.raises(DataError, match=reason):
        fetch("age:", tmp_path / "set", limit=1, api=archive.api)
    assert not (tmp_path / "set").exists(), "so that the right query can have the folder"


def test_a_journal_line_that_was_cut_off_is_done_again(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 3)
    fetch(QUERY, tmp_path, limit=None, api=archive.api)
    before = tree(tmp_path)
    journal = tmp_path / "fetched.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    (tmp_path / "images" / "ISIC_0000009.part").write_bytes(b"half")
    assert fetch(QUERY, tmp_path, limit=None, api=archive.api) == (0, 3, [])
    assert tree(tmp_path) == before


def test_a_journal_line_that_is_no_entry_is_named(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 3)
    fetch(QUERY, tmp_path, limit=None, api=archive.api)
    journal = tmp_path / "fetched.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b'{"isic_id": 3}\n' + lines[2])
    with pytest.raises(DataError, match=r"fetched\.jsonl: line 2: .*remove the line"):
        fetch(QUERY, tmp_path, limit=None, api=archive.api)
    (tmp_path / "query.json").write_text("{")
    with pytest.raises(DataError, match=r"query\.json: is not a fetched query"):
        fetch(QUERY, tmp_path, limit=None, api=archive.api)


def test_an_image_that_somebody_removed_is_fetched_again(archive: Archive, tmp_path: Path) -> None:
    fill(archive, 3)
    fetch(QUERY, tmp_path, limit=3, api=archive.api)
    before = tree(tmp_path)
    (tmp_path / "images" / "ISIC_0000001.jpg").unlink()
    assert fetch(QUERY, tmp_path, limit=3, api=archive.api) == (1, 2, [])
    assert tree(tmp_path) == before


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    with pytest.raises(DataError, match="limit must be at least 1"):
        fetch(QUERY, tmp_path, limit=limit)
