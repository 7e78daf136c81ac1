"""The program on a device: real processes, real kills, a real server, and a fake command in place of a camera's."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from epiluma.edge.queue import Queue
from epiluma.edge.sources import Closed, Folder, SourceError
from tests.edge.conftest import Hostile, jpeg

Start = Callable[..., Hostile]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "epiluma.cli", "edge", *map(str, arguments)]


def edge(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | environment
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=env, check=False, timeout=120)


def run_once(photos: Path, queue: Path, bundle: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return edge("run", "--watch", photos, "--queue", queue, "--bundle", bundle, "--once", "--settle", 0.1, *more)


def status(queue: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(edge("status", "--queue", queue, "--json").stdout)
    return found


def arrive(folder: Path, name: str, data: bytes) -> None:
    """As a careful program delivers: under another name first."""
    part = folder / f"{name}.part"
    part.write_bytes(data)
    part.rename(folder / name)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    return folder


def test_once_takes_screens_and_keeps(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    arrive(photos, "one.jpg", jpeg(1))
    arrive(photos / "inner", "two.JPG", jpeg(2))
    arrive(photos, "copy.jpg", jpeg(1))
    arrive(photos, ".hidden.jpg", jpeg(3))
    arrive(photos, "notes.txt", b"no photo")
    done = run_once(photos, tmp_path / "queue", tiny_bundle_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "one.jpg: the same photo as copy.jpg, which is in the queue" in done.stdout
    assert status(tmp_path / "queue")["screened"] == 2
    lines = [json.loads(line) for line in edge("results", "--queue", tmp_path / "queue").stdout.splitlines()]
    assert sorted(line["file"] for line in lines) == ["copy.jpg", "two.JPG"]
    assert all(line["bundle"]["name"] == "tiny" for line in lines)
    again = run_once(photos, tmp_path / "queue", tiny_bundle_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_the_cameras_name_is_not_kept(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    assert b"Secret camera" in jpeg(1)
    arrive(photos, "one.jpg", jpeg(1))
    run_once(photos, tmp_path / "queue", tiny_bundle_path)
    ready = Queue(tmp_path / "queue").next_to_send()
    assert ready
    assert b"Secret" not in ready.photo
    with Image.open(io.BytesIO(ready.photo)) as kept, Image.open(io.BytesIO(jpeg(1))) as given:
        assert kept.tobytes() == given.tobytes()


def test_every_file_that_is_no_photo_is_shown_with_its_reason(
    photos: Path, tmp_path: Path, tiny_bundle_path: Path
) -> None:
    bad = {"empty.jpg": b"", "cut.jpg": jpeg(1)[:900], "text.png": b"hello", "good.jpg": jpeg(2)}
    for name, data in bad.items():
        arrive(photos, name, data)
    Image.new("RGB", (90, 90)).save(photos / "scan.tif")
    done = run_once(photos, tmp_path / "queue", tiny_bundle_path)
    assert done.returncode == 1
    found = status(tmp_path / "queue")
    assert (found["screened"], found["unreadable"]) == (1, 4)
    said = {failure["name"]: failure["note"] for failure in found["failures"]}
    assert set(said) == {"empty.jpg", "cut.jpg", "text.png", "scan.tif"}
    assert said["scan.tif"] == "Metadata cannot be removed from a TIFF file. Use JPEG, PNG or WebP."
    assert {line.split(": ")[0] for line in done.stderr.splitlines()} == set(said)
    shown = edge("status", "--queue", tmp_path / "queue").stdout
    assert all(f"{name}: unreadable: {note}" in shown for name, note in said.items())


def test_a_file_that_is_still_being_written_is_waited_for(photos: Path, tmp_path: Path) -> None:
    queue, folder, whole = Queue(tmp_path / "queue"), Folder(photos, settle=0.2), jpeg(1)
    for end in (100, 500, 900):
        (photos / "one.jpg").write_bytes(whole[:end])
        assert list(folder.ready(queue)) == []
        assert folder.changing == ["one.jpg"]
        time.sleep(0.25)
    (photos / "one.jpg").write_bytes(whole)
    assert list(folder.ready(queue)) == []
    time.sleep(0.25)
    (found,) = folder.ready(queue)
    assert (found.name, found.data) == ("one.jpg", whole)
    assert folder.changing == []
    queue.take("1" * 64, found.name, found.data, file=found.file)
    assert list(folder.ready(queue)) == []


def test_a_file_without_an_end_does_not_hold_up_once(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    arrive(photos, "good.jpg", jpeg(1))
    end = threading.Event()

    def write() -> None:
        with (photos / "endless.jpg").open("wb") as file:
            while not end.wait(0.05):
                file.write(b"x")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = run_once(photos, tmp_path / "queue", tiny_bundle_path)
    finally:
        end.set()
        writer.join()
    assert done.returncode == 1
    assert done.stderr == "endless.jpg: is still being written; it was not taken\n"
    assert status(tmp_path / "queue")["screened"] == 1


def test_a_file_that_cannot_be_opened_is_named(photos: Path, tmp_path: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")  # reading it would wait for ever
    (photos / "gone.jpg").symlink_to("nowhere")
    arrive(photos, "whole.jpg", jpeg(1))
    found = list(Folder(photos, settle=0).ready(Queue(tmp_path / "queue")))
    assert found[0] == Closed("pipe.jpg", "The file cannot be opened (it is no plain file).")
    assert [one.name for one in found] == ["pipe.jpg", "whole.jpg"]


def test_a_name_that_is_no_text(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.jpg")).write_bytes(jpeg(1))
    assert run_once(photos, tmp_path / "queue", tiny_bundle_path).returncode == 0
    (line,) = edge("results", "--queue", tmp_path / "queue").stdout.splitlines()
    assert json.loads(line)["file"] == "caf\ufffd.jpg"


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder; is its disk mounted"):
        Folder(tmp_path / "missing", settle=0)


def test_no_photo_is_taken_when_the_disk_is_nearly_full(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    arrive(photos, "one.jpg", jpeg(1))
    done = run_once(photos, tmp_path / "queue", tiny_bundle_path, "--keep-free", 10**9)
    assert done.returncode == 2
    assert "MB free, less than the 1000000000 MB that are kept; no photo is taken until there is room" in done.stderr
    assert status(tmp_path / "queue")["taken"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--queue", "q"), "give either --watch FOLDER or --camera DEVICE"),
        (("--queue", "q", "--watch", ".", "--camera", "x"), "give either --watch FOLDER or --camera DEVICE"),
        (("--queue", "q", "--watch", ".", "--server", "https://a"), "--server and --token-file belong together"),
        (("--queue", "q", "--watch", "missing"), "epiluma: missing: no such folder"),
        (("--queue", "q", "--watch", ".", "--provider", "cann", "--once"), "epiluma: provider 'cann' is not available"),
    ],
)
def test_wrong_use(tmp_path: Path, tiny_bundle_path: Path, arguments: tuple[str, ...], said: str) -> None:
    env = os.environ | {"EPILUMA_BUNDLE": str(tiny_bundle_path)}
    if "src" in env.get("PYTHONPATH", "").split(os.pathsep):
        env["PYTHONPATH"] = str(Path("src").absolute())
    ended = subprocess.run(
        command("run", *arguments), capture_output=True, text=True, env=env, check=False, timeout=60, cwd=tmp_path
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_queue_to_look_at(tmp_path: Path) -> None:
    for name in ("status", "results"):
        done = edge(name, "--queue", tmp_path)
        assert (done.returncode, done.stderr) == (2, f"epiluma: {tmp_path}: holds no queue\n")
    assert list(tmp_path.iterdir()) == []


def fake_ffmpeg(folder: Path, script: str) -> str:
    folder.mkdir()
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ffmpeg").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_camera_gives_one_photo(tmp_path: Path, tiny_bundle_path: Path) -> None:
    (tmp_path / "frame").write_bytes(jpeg(5))
    path = fake_ffmpeg(tmp_path / "bin", f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/frame')
    arguments = ("run", "--camera", "/dev/null", "--queue", tmp_path / "queue", "--bundle", tiny_bundle_path, "--once")
    assert edge(*arguments, PATH=path).returncode == 0
    assert status(tmp_path / "queue")["screened"] == 1
    asked = (tmp_path / "asked").read_text()
    assert "-f v4l2 -i /dev/null" in asked
    assert "-frames:v 1" in asked


@pytest.mark.parametrize(
    ("script", "device", "said"),
    [
        (None, "/dev/null", "a camera needs the program ffmpeg; install it, as in `apt install ffmpeg`"),
        ("exit 0", "/dev/video99", "/dev/video99: no such camera"),
        ("echo Device busy >&2; exit 1", "/dev/null", "/dev/null: the camera gave no photo (Device busy)"),
        ("exit 0", "/dev/null", "/dev/null: the camera gave no photo (ffmpeg ended with 0)"),
    ],
)
def test_a_camera_that_does_not_work(
    tmp_path: Path, tiny_bundle_path: Path, script: str | None, device: str, said: str
) -> None:
    path = fake_ffmpeg(tmp_path / "bin", script) if script else str(tmp_path)
    arguments = ("run", "--camera", device, "--queue", tmp_path / "queue", "--bundle", tiny_bundle_path, "--once")
    done = edge(*arguments, PATH=path)
    assert done.returncode == 2
    assert said in done.stderr


def test_everything_arrives_once_at_a_server_that_misbehaves(
    photos: Path, tmp_path: Path, tiny_bundle_path: Path, hostile: Start, token: Path
) -> None:
    for seed in range(6):
        arrive(photos, f"{seed}.jpg", jpeg(seed))
    server = hostile("503", "422", "429:2", "cut", "slow", "portal")
    process = start(photos, tmp_path / "queue", tiny_bundle_path, "--server", server.url, "--token-file", token)
    wait_for(lambda: (tmp_path / "queue").exists() and sum(counts(tmp_path / "queue", "sent", "rejected")) == 6)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0
    assert counts(tmp_path / "queue", "sent", "rejected") == [5, 1]
    assert len(server.kept()) == len({one["photo"] for one in server.kept()}) == 5
    assert err.count("rejected: ") == 1
    asked = {one["what"]: one["at"] for one in server.seen()}
    after = min(one["at"] for one in server.seen() if one["at"] > asked["429:2"])
    assert after - asked["429:2"] >= 2
    again = run_once(
        photos, tmp_path / "queue", tiny_bundle_path, "--server", server.url, "--token-file", token, "--retry-rejected"
    )
    assert again.returncode == 0
    assert len({one["photo"] for one in server.kept()}) == len(server.kept()) == 6
    assert out.count("sent: ") == 5


def test_a_server_that_is_down_is_shown_and_holds_up_no_photo(
    photos: Path, tmp_path: Path, tiny_bundle_path: Path, token: Path
) -> None:
    arrive(photos, "one.jpg", jpeg(1))
    more = ("--server", "http://127.0.0.1:1", "--token-file", token)
    done = run_once(photos, tmp_path / "queue", tiny_bundle_path, *more)
    assert done.returncode == 1
    assert "not sent: 127.0.0.1 cannot be reached" in done.stderr
    found = status(tmp_path / "queue")
    assert found["screened"] == 1
    assert "127.0.0.1 cannot be reached" in found["trouble"]
    assert "server, since 20" in edge("status", "--queue", tmp_path / "queue").stdout


def start(photos: Path, queue: Path, bundle: Path, *more: object) -> subprocess.Popen[str]:
    arguments = ("run", "--watch", photos, "--queue", queue, "--bundle", bundle, "--settle", 0, *more)
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counts(queue: Path, *states: str) -> list[int]:
    with Queue(queue) as found:
        return [found.counts()[state] for state in states]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_sigterm_ends_with_everything_that_was_taken_screened(
    photos: Path, tmp_path: Path, tiny_bundle_path: Path
) -> None:
    for seed in range(60):
        arrive(photos, f"{seed}.jpg", jpeg(seed))
    process = start(photos, tmp_path / "queue", tiny_bundle_path)
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    taken, screened = counts(tmp_path / "queue", "taken", "screened")
    assert taken == 0
    assert 1 <= screened <= 60


def test_a_second_process_is_refused(photos: Path, tmp_path: Path, tiny_bundle_path: Path) -> None:
    arrive(photos, "one.jpg", jpeg(1))
    process = start(photos, tmp_path / "queue", tiny_bundle_path)
    assert process.stdout
    assert process.stdout.readline()
    done = run_once(photos, tmp_path / "queue", tiny_bundle_path)
    process.kill()
    process.communicate()
    assert done.returncode == 2
    assert "another `epiluma edge run` uses this queue" in done.stderr
