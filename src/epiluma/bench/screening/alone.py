"""Screenings by one process on one core, and their parts beside the same work done plainly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from epiluma.bench.screening import bare
from epiluma.bench.screening.clock import Advance, a_second, in_turn
from epiluma.bench.screening.rows import Aim, Row, missing, row
from epiluma.bench.screening.subject import Effort, Photo, Subject, sizes
from epiluma.inference.result import Screening

AIMED = (600, 450)
"""Pixels of the photos that the aims of whole screenings are for."""
OUTLINE = Aim(5.98, "at most")
MEDIAN, TAIL, LARGE_MEDIAN = Aim(15, "at most"), Aim(2, "at most"), Aim(60, "at most")
PARTS, COMPLETE = Aim(0.85, "at least"), Aim(0.65, "at least")
TENSOR = Aim(4, "at least")


def outline(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """The network that outlines the lesion, on a ready tensor."""
    work, facts = bare.outline(subject.screener.bundle), subject.screener.bundle.manifest.outline
    if work is None or facts is None:
        return [missing("outline", "outline network alone", "ms", aim=OUTLINE, note="this bundle outlines no lesion")]
    times = [in_turn([lambda _: work()], effort.share(10), advance)[0] for _ in range(effort.runs)]
    return [
        row(
            "outline",
            "outline network alone, median",
            "ms",
            [float(np.median(run)) for run in times],
            aim=OUTLINE,
            note=f"{facts.size} x {facts.size} px, n {len(times[0])}",
        )
    ]


def screening(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Whole screenings of the photos as they are."""
    photos = subject.photos
    aimed = {photo.size for photo in photos} == {AIMED}
    times = _whole(subject, photos, effort.screenings, effort.runs, advance)
    note = "" if aimed else f"; the aim is for {AIMED[0]} x {AIMED[1]} px"
    return _latencies(("screening", "screening"), photos, times, aim=MEDIAN if aimed else None, tail=TAIL, note=note)


def large(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Whole screenings of the photos at 12 megapixels."""
    photos = subject.large
    times = _whole(subject, photos, effort.share(10), effort.runs, advance)
    return _latencies(("large", "screening of 12 MP"), photos, times, aim=LARGE_MEDIAN)


def _whole(subject: Subject, photos: Sequence[Photo], count: int, runs: int, advance: Advance) -> list[list[float]]:
    """Milliseconds of each screening of each run."""
    works = [lambda turn: subject.screen(photos[turn % len(photos)])]
    return [in_turn(works, count, advance)[0] for _ in range(runs)]


def _latencies(
    names: tuple[str, str],
    photos: Sequence[Photo],
    times: Sequence[Sequence[float]],
    *,
    aim: Aim | None,
    tail: Aim | None = None,
    note: str = "",
) -> list[Row]:
    medians, tails = ([float(np.percentile(run, part)) for run in times] for part in (50, 99))
    over = [late / middle for late, middle in zip(tails, medians, strict=True)]
    (section, task), note = names, f"{sizes(photos)} px, n {len(times[0])}{note}"
    return [
        row(section, f"{task}, median", "ms", medians, aim=aim, note=note),
        row(section, f"{task}, p99", "ms", tails, note=note),
        row(section, f"{task}, p99 over median", "times", over, aim=tail, note=note),
    ]


def shares(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Throughput of screenings as a share of that of Pillow's scaled decoding and bare networks, taken in turn.

    Both shares are made of the same screenings, which tell themselves what each of their steps has taken.
    """
    photos, side = subject.photos, subject.decoded_side
    networks, count, steps = bare.networks(subject.screener.bundle), effort.share(10), list[float]()

    def ours(turn: int) -> None:
        steps.append(judging_ms(subject.screen(photos[turn % len(photos)])))

    def plain(turn: int) -> None:
        bare.decode_scaled(photos[turn % len(photos)].data, side)
        networks()

    rates: dict[str, list[float]] = {"bare/s": [], "judging/s": [], "screenings/s": []}
    for _ in range(effort.runs):
        steps.clear()
        whole, peer = in_turn([ours, plain], count, advance)
        for name, times in zip(rates, (peer, steps[1:], whole), strict=True):  # the first one warmed up
            rates[name].append(a_second(times))
    return [
        row(
            "shares",
            f"{task} over bare",
            "share",
            [ours / peer for ours, peer in zip(rates[name], rates["bare/s"], strict=True)],
            aim=aim,
            figures={key: rates[key] for key in ("bare/s", name)},
            note=f"throughput as a share of scaled decoding and bare networks, {sizes(photos)} px, n {count}",
        )
        for task, name, aim in (
            ("decode, gate and networks", "judging/s", PARTS),
            ("complete screening", "screenings/s", COMPLETE),
        )
    ]


def judging_ms(found: Screening) -> float:
    """What a screening took to decode, to gate and to run its networks: all but measurements and explanation."""
    took = found.timings
    return took.decode + took.gate + took.outline + took.network


def tensor(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """A JPEG of 12 megapixels to the network's input, beside Pillow that decodes in full and resizes."""
    bundle, view = subject.screener.bundle, subject.screener.view
    photos, count = subject.large, effort.share(100)

    def ours(turn: int) -> None:
        decoded = view.open(photos[turn % len(photos)].data, bundle.manifest.preprocessing.size)
        bare.tensor_of(decoded.image, bundle)

    def plain(turn: int) -> None:
        bare.full_tensor(photos[turn % len(photos)].data, bundle)

    taken = [in_turn([ours, plain], count, advance) for _ in range(effort.runs)]
    mine, peers = ([float(np.median(run[side])) for run in taken] for side in (0, 1))
    return [
        row(
            "tensor",
            "12 MP to tensor, beside Pillow",
            "times",
            [peer / own for own, peer in zip(mine, peers, strict=True)],
            aim=TENSOR,
            figures={"ours ms": mine, "Pillow ms": peers},
            note=f"Pillow decodes in full and resizes, {sizes(photos)} px, n {count}",
        )
    ]
