"""Damage valid photos of every format in many ways and watch what decoding each costs.

    python -m scripts.fuzz_decode 100000 --seed 1 --seconds 3600

File number i depends on the seed and i alone, so a finding can be made again. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from scripts.fuzzing.mutations import mutated
from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.watched import Outcome, WatchedDecoder

SIDES = (0, 0, 256)
"""`shorter_side` of `decode_photo`, 0 for the whole picture."""


@dataclass(frozen=True)
class Fuzzed:
    """A damaged file and what became of it."""

    number: int
    data: bytes
    story: str
    """Which file it was, what was done to it, and how it was decoded."""
    outcome: Outcome


@dataclass
class Tally:
    """What became of all files."""

    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, fuzzed: Fuzzed, findings: Path | None) -> None:
        """Count a file; one that broke a promise is kept in the folder, with a line in its list."""
        outcome = fuzzed.outcome
        self.kinds[outcome.kind] += 1
        self.slowest, self.largest = max(self.slowest, outcome.seconds), max(self.largest, outcome.megabytes)
        if outcome.violation:
            name = hashlib.sha256(fuzzed.data).hexdigest()[:16]
            self.violations.append(f"{name} {outcome.violation} | number {fuzzed.number} | {fuzzed.story}")
            if findings is not None:
                findings.mkdir(parents=True, exist_ok=True)
                (findings / name).write_bytes(fuzzed.data)
                with (findings / "findings.txt").open("a", encoding="utf-8") as lines:
                    lines.write(self.violations[-1] + "\n")


def damaged_file(seed: int, number: int, originals: dict[str, bytes]) -> tuple[bytes, str, int]:
    """File `number` of a run, its story, and the `shorter_side` to decode it with."""
    random = Random(f"{seed}/{number}")
    name, other = random.choice(list(originals)), random.choice(list(originals))
    data, done = mutated(originals[name], originals[other], random)
    side = random.choice(SIDES)
    return data, f"{name} with {other}: {', '.join(done)}; shorter side {side}", side


def fuzz(numbers: range, *, seed: int, seconds: float) -> Iterator[Fuzzed]:
    """Decode the files with these numbers in one watched child, until the time is over."""
    originals, end = seeds(), time.monotonic() + seconds
    with WatchedDecoder() as watched:
        for number in numbers:
            if time.monotonic() > end:
                return
            data, story, side = damaged_file(seed, number, originals)
            yield Fuzzed(number, data, story, watched.decode(data, shorter_side=side))


def run(files: int, *, seed: int, processes: int, seconds: float, findings: Path | None) -> Tally:
    """Fuzz in several watched children at once."""
    tally = Tally()

    def share(start: int) -> None:
        for fuzzed in fuzz(range(start, files, processes), seed=seed, seconds=seconds):
            tally.add(fuzzed, findings)

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(share, range(processes)))
    return tally


def main() -> int:
    """1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=int, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--findings", type=Path, default=Path("var/fuzz"), help="where files that break a promise go")
    chosen = parser.parse_args()
    tally = run(chosen.files, seed=chosen.seed, processes=chosen.processes, seconds=chosen.seconds,
                findings=chosen.findings)  # fmt: skip
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in tally.kinds.most_common())
    print(f"{tally.kinds.total():,} files: {kinds}; at most {tally.slowest:.2f} s and {tally.largest:.0f} MB")
    print(f"{len(tally.violations)} violations", *tally.violations[:20], sep="\n")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
