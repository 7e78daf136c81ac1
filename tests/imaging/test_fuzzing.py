"""The fuzzer makes the same files again, sees what breaks a promise, and outlives its child."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scripts.fuzz_decode import Fuzzed, Tally, damaged_file, fuzz
from scripts.fuzzing.mutations import MUTATIONS
from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.watched import Outcome, WatchedDecoder

from epiluma.imaging.decode import MAX_BYTES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SEEDS = seeds()


def test_a_number_gives_the_same_file_again() -> None:
    assert seeds() == SEEDS
    files = [damaged_file(3, number, SEEDS) for number in range(200)]
    assert files == [damaged_file(3, number, SEEDS) for number in range(200)]
    assert len({data for data, _, _ in files}) > 150
    assert damaged_file(4, 0, SEEDS) != files[0]


def test_every_mutation_is_made() -> None:
    stories = " ".join(damaged_file(0, number, SEEDS)[1] for number in range(300))
    assert [name for name in MUTATIONS if name not in stories] == []


@pytest.mark.parametrize("number", [132_833, 404_935, 604_386, 944_830])
def test_no_file_grows_far_beyond_what_is_refused_for_its_length(number: int) -> None:
    """These had up to 2.2 GB, and what was measured was the handing over of the file."""
    assert len(damaged_file(11, number, SEEDS)[0]) <= 2 * MAX_BYTES


@pytest.mark.parametrize(
    ("outcome", "violation"),
    [
        (Outcome("decoded", 0.1, 100), ""),
        (Outcome("refused", 2.0, 512, "cut off"), ""),
        (Outcome("decoded", 2.1, 100), "took 2.1 s"),
        (Outcome("refused", 0.1, 513), "took 513 MB"),
        (Outcome("raised", 0.1, 1, "KeyError(1)"), "raised: KeyError(1)"),
        (Outcome("killed", 0.1, 0, "SIGSEGV"), "killed: SIGSEGV"),
    ],
)
def test_broken_promises_are_seen_and_kept(outcome: Outcome, violation: str, tmp_path: Path) -> None:
    assert outcome.violation == violation
    tally = Tally()
    tally.add(Fuzzed(7, b"bytes", "story", outcome), tmp_path)
    kept = [path for path in tmp_path.iterdir() if path.name != "findings.txt"]
    assert [path.read_bytes() for path in kept] == ([b"bytes"] if violation else [])
    assert len(tally.violations) == len(kept)


def test_costs_are_measured_file_by_file() -> None:
    with WatchedDecoder() as watched:
        decoded, refused = watched.decode(SEEDS["webp lossless"]), watched.decode(b"no photo")
    assert (decoded.kind, refused.kind) == ("decoded", "refused")
    assert decoded.seconds > 0
    assert refused.megabytes < 1
    assert "not a photo" in refused.detail


def test_a_child_that_died_is_replaced() -> None:
    with WatchedDecoder() as watched:
        watched._child.kill()
        watched._child.wait()
        assert watched.decode(SEEDS["png"]).kind == "decoded"


def test_fuzzing_stops_when_the_time_is_over() -> None:
    assert list(fuzz(range(1_000_000), seed=0, seconds=0)) == []
