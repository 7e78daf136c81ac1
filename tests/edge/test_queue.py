"""The queue on disk: states, one user, and a process that is killed at any moment."""

from __future__ import annotations

import random
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from epiluma.edge.queue import FILE, FileVersion, Queue, QueueError, only_user

VERSION = FileVersion(b"/photos/\xff.jpg", 10, 20)


def take(queue: Queue, number: int, photo: bytes | None = b"photo") -> str:
    return queue.take(f"{number:064x}", f"{number}.jpg", photo, note="" if photo else "It is no photo.", file=None)


def test_a_photo_goes_from_taken_to_sent(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "new" / "folder")
    assert take(queue, 1) == "1.jpg"
    assert queue.next_to_send() is None
    waiting = queue.next_to_screen()
    assert waiting == (f"{1:064x}", "1.jpg", b"photo")
    queue.screened(waiting.sha256, '{"a": 1}', "bundle")
    assert queue.next_to_screen() is None
    ready = queue.next_to_send()
    assert ready
    assert (ready.sha256, ready.photo, ready.screening, ready.bundle) == (f"{1:064x}", b"photo", '{"a": 1}', "bundle")
    queue.sent(ready.sha256, "receipt")
    assert queue.next_to_send() is None
    assert queue.counts() == {"taken": 0, "screened": 0, "sent": 1, "rejected": 0, "unreadable": 0}
    assert list(queue.screenings()) == ['{"a": 1}']
    assert queue.failures() == []


def test_the_same_bytes_are_kept_once_under_their_first_name(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert queue.take("a" * 64, "first.jpg", b"x", file=VERSION) == "first.jpg"
    assert queue.take("a" * 64, "second.jpg", b"x", file=None) == "first.jpg"
    assert sum(queue.counts().values()) == 1
    assert queue.has_seen(VERSION)
    assert not queue.has_seen(VERSION._replace(size=11))
    assert not queue.has_seen(VERSION._replace(mtime_ns=21))


def test_what_failed_keeps_its_reason_and_what_was_rejected_its_photo(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    take(queue, 1, None)
    for number in (2, 3):
        take(queue, number)
        assert queue.next_to_screen()
        queue.screened(f"{number:064x}", "{}", "b")
    take(queue, 4)
    queue.unreadable(f"{4:064x}", "It is cut off.")
    queue.rejected(f"{2:064x}", "too large")
    assert queue.failures() == [
        ("1.jpg", "unreadable", "It is no photo."),
        ("2.jpg", "rejected", "too large"),
        ("4.jpg", "unreadable", "It is cut off."),
    ]
    assert queue.next_to_send().sha256 == f"{3:064x}"
    assert queue.retry_rejected() == 1
    again = queue.next_to_send()
    assert (again.sha256, again.photo) == (f"{2:064x}", b"photo")


def test_a_photo_is_never_given_two_results(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    take(queue, 1)
    queue.screened(f"{1:064x}", "first", "b")
    with pytest.raises(QueueError, match="is not there as expected"):
        queue.screened(f"{1:064x}", "second", "b")
    with pytest.raises(QueueError, match="is not there as expected"):
        queue.unreadable(f"{1:064x}", "why")
    assert list(queue.screenings()) == ["first"]


def test_a_photo_that_was_begun_comes_after_the_others(tmp_path: Path) -> None:
    with Queue(tmp_path) as queue:
        take(queue, 1)
        assert queue.next_to_screen().name == "1.jpg"  # and here the process ends
    queue = Queue(tmp_path)
    take(queue, 2)
    assert [queue.next_to_screen().name for _ in range(2)] == ["2.jpg", "1.jpg"]


def test_trouble_is_kept_until_it_is_over(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert queue.trouble() == ""
    queue.set_trouble("down")
    queue.set_trouble("still down")
    assert re.fullmatch(r"20\d\d-.*\+00:00: still down", Queue(tmp_path).trouble())
    queue.set_trouble("")
    assert Queue(tmp_path).trouble() == ""


def test_every_commit_reaches_the_disk_and_what_was_sent_gives_its_space_back(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    (synchronous,) = queue._database.execute("PRAGMA synchronous").fetchone()
    (journal,) = queue._database.execute("PRAGMA journal_mode").fetchone()
    assert (synchronous, journal) == (3, "delete")  # 3 is EXTRA
    empty = (tmp_path / FILE).stat().st_size
    for number in range(4):
        take(queue, number, bytes(1_000_000))
        queue.screened(f"{number:064x}", "{}", "b")
    assert (tmp_path / FILE).stat().st_size > 4_000_000
    for number in range(4):
        queue.sent(f"{number:064x}", "receipt")
    assert (tmp_path / FILE).stat().st_size <= empty + 100_000


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    take(queue, 1)
    queue._database.execute("PRAGMA max_page_count = 20")  # SQLite's own limit gives its error for a full disk
    with pytest.raises(QueueError, match=r"queue\.sqlite3: the queue cannot be used \(database or disk is full\)"):
        take(queue, 2, bytes(1_000_000))
    assert queue.counts()["taken"] == 1
    assert take(queue, 3) == "3.jpg"


def test_a_damaged_queue_and_one_of_another_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(QueueError, match="not a database"):
        Queue(tmp_path)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 7")
    with pytest.raises(QueueError, match="is a queue of format 7, not 1"):
        Queue(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match="file/queue"):
        Queue(tmp_path / "file" / "queue")


def test_two_processes_do_not_share_a_queue(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from epiluma.edge.queue import only_user\n"
        "with only_user(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with pytest.raises(QueueError, match="another `epiluma edge run` uses this queue"), only_user(tmp_path):
        pass
    other.kill()
    other.communicate()
    with only_user(tmp_path):
        pass


WORK = """
import sys
from pathlib import Path
from epiluma.edge.queue import Queue
queue, number = Queue(Path(sys.argv[1])), int(sys.argv[2])
while True:
    name = f"{number:064x}"
    queue.take(name, "x.jpg", bytes([number % 256]) * 20_000, file=None); print("taken", name, flush=True)
    item = queue.next_to_screen()
    queue.screened(item.sha256, "of " + item.sha256, "b"); print("screened", item.sha256, flush=True)
    if number % 3:
        ready = queue.next_to_send()
        queue.sent(ready.sha256, "r"); print("sent", ready.sha256, flush=True)
    number += 1
"""


def kill_and_look(folder: Path, kills: int, seed: int) -> None:
    """What a process was told is done is done, however it ends, and the queue needs no repair."""
    chance, started = random.Random(seed), 0
    said: dict[str, str] = {}
    for _ in range(kills):
        command = [sys.executable, "-c", WORK, str(folder), str(started)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        lines = [process.stdout.readline()]
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        lines += process.communicate()[0].splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n"):
                what, name = line.split()
                said[name] = what
        started = max(int(name, 16) for name in said) + 2  # the next one may be taken without having been said
        with Queue(folder) as queue:
            assert queue._database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            order = ("taken", "screened", "sent")
            states = dict(queue._database.execute("SELECT sha256, state FROM photo"))
            for name, what in said.items():
                assert order.index(states[name]) >= order.index(what)
            results = queue._database.execute("SELECT sha256, screening FROM photo WHERE state != 'taken'").fetchall()
            assert all(screening == f"of {name}" for name, screening in results)
            waiting = queue._database.execute("SELECT sha256, photo FROM photo WHERE state != 'sent'").fetchall()
            assert all(photo == bytes([int(name, 16) % 256]) * 20_000 for name, photo in waiting)
    assert len(said) > kills


def test_a_killed_process_loses_nothing_that_was_done(tmp_path: Path) -> None:
    kill_and_look(tmp_path, kills=12, seed=1)


@pytest.mark.slow
def test_a_process_killed_three_hundred_times_loses_nothing_that_was_done(tmp_path: Path) -> None:
    kill_and_look(tmp_path, kills=300, seed=2)
