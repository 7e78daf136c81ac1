"""The power goes at any moment: the whole program is killed, again and again, while the server misbehaves."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from epiluma.edge.queue import Queue
from tests.edge.conftest import Hostile, jpeg
from tests.edge.test_runner import Start, arrive, counts, run_once, start


@pytest.fixture(autouse=True)
def photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()


def kill_and_go_on(folder: Path, bundle: Path, server: Hostile, token: Path, *, kills: int, seed: int) -> None:
    """Photos arrive, the program is killed at random moments: at the end each is screened, sent and kept once."""
    chance, photos, queue = random.Random(seed), folder / "photos", folder / "queue"
    more, seen, number = ("--server", server.url, "--token-file", token), Counter[str](), 0
    for _ in range(kills):
        for _ in range(12):
            arrive(photos, f"{number}.jpg", jpeg(number, side=80))
            number += 1
        process = start(photos, queue, bundle, *more)
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        text = first + process.communicate()[0]
        seen.update(line for line in text.splitlines(keepends=True) if ".jpg: " in line and line.endswith("\n"))
    for _ in range(20):
        if run_once(photos, queue, bundle, *more).returncode == 0:
            break
    assert counts(queue, "taken", "screened", "sent", "rejected", "unreadable") == [0, 0, number, 0, 0]
    with Queue(queue) as found:
        files = [json.loads(line)["file"] for line in found.screenings()]
    assert sorted(files) == sorted(f"{n}.jpg" for n in range(number))
    assert max(seen.values()) == 1
    kept = server.kept()
    assert len(kept) == len({one["key"] for one in kept}) == len({one["photo"] for one in kept}) == number
    bodies = {(one["key"], one["body"]) for one in server.seen() if "body" in one}
    assert len(bodies) == number


FAULTS = ("cut", "503", "cut", "slow", "cut", "500", "refuse", "cut", "cut")


def test_killed_again_and_again_each_photo_is_screened_and_kept_once(
    tmp_path: Path, tiny_bundle_path: Path, hostile: Start, token: Path
) -> None:
    kill_and_go_on(tmp_path, tiny_bundle_path, hostile(*FAULTS), token, kills=4, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_a_hundred_times_each_photo_is_screened_and_kept_once(
    tmp_path: Path, tiny_bundle_path: Path, hostile: Start, token: Path
) -> None:
    kill_and_go_on(tmp_path, tiny_bundle_path, hostile(*FAULTS * 10), token, kills=100, seed=2)
