"""From a bundle to its variants: converted, compared with the fp32 graph, timed, written with a certificate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
from rich.table import Table

from epiluma.bundle import FP32, Bundle, Manifest
from epiluma.export.variants import photos
from epiluma.export.variants.certificate import Certificate, Timing, certificate, judge
from epiluma.export.variants.formats import FORMATS, ask, convert, joined, load
from epiluma.export.variants.network import Batch, Network, Outputs, Payload, VariantError
from epiluma.export.variants.photos import Photos, Pool, Progress
from epiluma.imaging.preprocess import normalise

CERTIFICATE = "certificate.json"
TIMED = 64
"""Photos that are timed, after a few that warm up."""
_BLOCK, _WARM_UP = 16, 4


def make_variants(
    bundle: Bundle,
    names: Sequence[str],
    pool: Pool,
    out: Path,
    *,
    learn: int = 256,
    count: int = 1000,
    reduce_range: bool = False,
    progress: Progress | None = None,
) -> list[Certificate]:
    """Write OUT/FORMAT/ for each name: the files of the variant and its certificate, within the limits or not.

    `learn` photos give int8 its ranges, `count` others are compared. Raises VariantError.
    """
    manifest = bundle.manifest
    learnt = _learnt(names, pool, bundle, learn)
    compared = photos.read(pool.compared, bundle, count, progress=progress)
    if not compared.ids:
        raise VariantError(f"{pool.source}: none of the {len(pool.compared)} photos can be judged")
    reference = load(FP32, bundle.graph, threads=1)
    expected = judge(_outputs(reference, compared, manifest), manifest)
    made = []
    for name in names:
        needs = FORMATS[name].learns
        images = _normalised(learnt, manifest) if learnt and needs else None
        payload = convert(name, bundle.graph, images, reduce_range=reduce_range and needs)
        network = load(name, payload, threads=1)
        made.append(
            certificate(
                name,
                payload,
                judge(_outputs(network, compared, manifest), manifest),
                expected,
                ids=compared.ids,
                reference_bytes=len(bundle.graph),
                views=manifest.views,
                milliseconds=_time(network, reference, compared, manifest),
                photos=f"{len(compared.ids)} photos of {pool.source}",
                calibrated_on=f"{len(images)} photos of part {photos.LEARNT} of {pool.source}"
                if images is not None
                else "",
            )
        )
        _write(made[-1], payload, out / name)
    return made


def render(certificates: Sequence[Certificate]) -> Table:
    """The certificates as a table for a terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("format")
    for title in ("bytes", "largest difference", "diagnoses changed", "referrals changed", "mask IoU", "ms", "of fp32"):
        table.add_column(title, justify="right")
    for c in certificates:
        timing = c.milliseconds
        table.add_row(
            c.format,
            f"{c.bytes}",
            f"{c.largest_difference:.1e}",
            f"{c.diagnosis.count}",
            f"{c.referral.count}",
            f"{c.masks.mean_iou:.4f}" if c.masks else "–",
            f"{timing.variant:.1f}" if timing else "–",
            f"{timing.variant / timing.reference:.2f}" if timing else "–",
        )
    return table


def _learnt(names: Sequence[str], pool: Pool, bundle: Bundle, learn: int) -> Photos | None:
    needing = [name for name in names if FORMATS[name].learns]
    if not needing:
        return None
    if not pool.learnt:
        raise VariantError(
            f"{needing[0]} takes its ranges from photos of part {photos.LEARNT}, and {pool.source} names none; "
            f"give a manifest with --data, or a split with --split"
        )
    return photos.read(pool.learnt, bundle, learn)


def _normalised(some: Photos, manifest: Manifest) -> Batch:
    return normalise(some.squares, mean=manifest.preprocessing.mean, std=manifest.preprocessing.std)


def _outputs(network: Network, some: Photos, manifest: Manifest) -> Outputs:
    """Block by block: all photos as float32 at once would need four times their memory."""
    step = max(1, _BLOCK // manifest.views)
    blocks = (Photos((), some.squares[start : start + step]) for start in range(0, len(some.ids), step))
    return joined([ask(network, _normalised(block, manifest), manifest.views) for block in blocks])


def _time(network: Network, reference: Network, some: Photos, manifest: Manifest) -> Timing:
    """Both networks in turn on one photo at a time, so that whatever else the machine does slows both."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    rounds = range(_WARM_UP + min(TIMED, len(some.ids)))
    for turn in rounds:
        image = _normalised(Photos((), some.squares[turn % len(some.ids)][None]), manifest)
        for is_variant, one in ((True, network), (False, reference)):
            begun = perf_counter()
            ask(one, image, manifest.views)
            if turn >= _WARM_UP:
                spent[is_variant].append(1000 * (perf_counter() - begun))
    return Timing(
        variant=round(median(spent[True]), 3),
        reference=round(median(spent[False]), 3),
        photos=len(rounds) - _WARM_UP,
    )


def _write(measured: Certificate, payload: Payload, folder: Path) -> None:
    contents = payload if isinstance(payload, dict) else {FORMATS[measured.format].files[0]: payload}
    text = msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in {**contents, CERTIFICATE: text}.items():
            (folder / file).write_bytes(data)
    except OSError as error:
        raise VariantError(f"{folder}: cannot be written ({error.strerror})") from error
