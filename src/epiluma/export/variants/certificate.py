"""A parity certificate: on how many photos two formats of one network were compared, and how far they differ."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.bundle import FP32, FileEntry, Manifest
from epiluma.errors import EpilumaError
from epiluma.evaluation import masks as overlap
from epiluma.export.variants.formats import FORMATS
from epiluma.export.variants.network import Outputs, Payload, VariantError
from epiluma.inference import decide

MIN_IMAGES = 1000
_TOOLS = ("epiluma", "numpy", "onnx", "onnxruntime", "openvino", "torch")
_FLAGS = {
    *("f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_int8", "amx_bf16", "amx_fp16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
}
"""Instructions on which the result or the speed of 8- and 16-bit arithmetic depends."""


class OutsideLimits(EpilumaError):
    """A variant that differs more from the reference than its format may, or was compared on too few photos."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a format may differ from the reference and still be certified."""

    largest_difference: float
    """Of any probability on any image."""
    changed: float
    """Share of the images whose diagnosis differs, and of those whose referral differs."""
    mean_iou: float
    """Least mean overlap of the lesion masks, where the graph has masks."""
    images: int = MIN_IMAGES
    """Least number of images."""


LIMITS: dict[str, Limits] = {
    FP32: Limits(largest_difference=1e-3, changed=0.001, mean_iou=0.999),
    "openvino": Limits(largest_difference=1e-3, changed=0.001, mean_iou=0.999),
    "onnx-fp16": Limits(largest_difference=0.02, changed=0.005, mean_iou=0.995),
    "onnx-int8": Limits(largest_difference=0.25, changed=0.02, mean_iou=0.98),
}


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Photos that are decided otherwise."""

    count: int
    ids: tuple[str, ...]


class MaskAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Intersection over union of the two lesion masks of each image; 1 where both are empty."""

    mean_iou: float
    minimum_iou: float
    minimum_id: str


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per photo, median, one thread, both measured in turn."""

    variant: float
    reference: float
    photos: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the comparison ran: 8-bit sums overflow on some processors and not on others."""

    architecture: str
    flags: tuple[str, ...]
    """Of its instruction flags, those that matter here; empty where the system does not tell."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One variant beside the reference."""

    format: str
    reference: str
    """`onnx-fp32` or `checkpoint`."""
    status: Literal["within limits", "measured, not within limits"]
    exceeded: tuple[str, ...]
    """Each limit that does not hold, in words; empty when all hold."""
    limits: Limits
    images: int
    views: int
    largest_difference: float
    """Of any probability on any image."""
    mean_difference: float
    """Mean over images and diagnoses."""
    diagnosis: Changed
    referral: Changed
    masks: MaskAgreement | None
    """None when the graph has no masks."""
    files: dict[str, FileEntry]
    """The variant's files, by name."""
    bytes: int
    reference_bytes: int
    milliseconds: Timing | None
    photos: str
    """Which photos were compared, in words."""
    calibrated_on: str
    """Which photos the ranges were taken from, in words; empty for a format that takes none."""
    tools: dict[str, str]
    machine: Machine


class Judged(NamedTuple):
    """What the outputs of one graph decide on n images."""

    probabilities: npt.NDArray[np.float64]
    """(n, leaves); (n, 0) of a graph that gives masks alone, which decides nothing: see `outlined`."""
    diagnosis: npt.NDArray[np.intp]
    referred: npt.NDArray[np.bool_]
    masks: npt.NDArray[np.float32] | None


def judge(outputs: Outputs, manifest: Manifest) -> Judged:
    """Probabilities and decisions by a manifest, or by that of `bundle.using(variant)` for a variant's own fit."""
    probabilities = decide.probabilities_from_logits(outputs.logits, manifest.calibration)
    diagnosis = decide.diagnose(probabilities, manifest.decision, manifest.calibration)
    referred = decide.refers(probabilities, diagnosis, manifest.operating_point.threshold, manifest.taxonomy)
    return Judged(probabilities, diagnosis, referred, outputs.masks)


def outlined(outputs: Outputs) -> Judged:
    """Of a graph that gives masks alone: nobody has a diagnosis, and nobody is referred."""
    n = len(outputs.logits)
    return Judged(np.empty((n, 0)), np.full(n, -1, np.intp), np.zeros(n, np.bool_), outputs.masks)


def certificate(
    name: str,
    payload: Payload,
    found: Judged,
    expected: Judged,
    *,
    ids: Sequence[str],
    reference_bytes: int,
    reference: str = FP32,
    views: int = 1,
    milliseconds: Timing | None = None,
    photos: str = "",
    calibrated_on: str = "",
    limits: Limits | None = None,
) -> Certificate:
    """What the comparison says; outside the limits of its format (or those given) the status says so.

    `found` are the variant's decisions and `expected` the reference's, on the same images, named by `ids`. Raises
    VariantError when they are not on the same images, or there are none.
    """
    _check_same(found, expected, ids)
    difference = np.abs(found.probabilities - expected.probabilities)
    files = _files(name, payload)
    draft = Certificate(
        format=name,
        reference=reference,
        status="within limits",
        exceeded=(),
        limits=limits or LIMITS[name],
        images=len(ids),
        views=views,
        largest_difference=float(difference.max(initial=0)),
        mean_difference=float(difference.sum() / max(difference.size, 1)),
        diagnosis=_changed(found.diagnosis != expected.diagnosis, ids),
        referral=_changed(found.referred != expected.referred, ids),
        masks=_mask_agreement(found.masks, expected.masks, ids),
        files=files,
        bytes=sum(entry.bytes for entry in files.values()),
        reference_bytes=reference_bytes,
        milliseconds=milliseconds,
        photos=photos,
        calibrated_on=calibrated_on,
        tools=tools(),
        machine=machine(),
    )
    if not (exceeded := tuple(_exceeded(draft))):
        return draft
    return msgspec.structs.replace(draft, status="measured, not within limits", exceeded=exceeded)


def require(measured: Certificate) -> Certificate:
    """The certificate, when all limits hold. Raises OutsideLimits that names each one that does not."""
    if measured.exceeded:
        raise OutsideLimits(
            f"{measured.format} is not certified: {'; '.join(measured.exceeded)}. Ship another format, or fit the "
            f"thresholds on its own outputs and score it on its own"
        )
    return measured


def tools() -> dict[str, str]:
    """Version of Python and of each package that the figures depend on, of those installed."""
    found = {"python": platform.python_version()}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> Machine:
    """The processor's architecture and instruction flags."""
    flags: set[str] = set()
    if sys.platform == "linux" and (told := Path("/proc/cpuinfo")).is_file():
        lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
        line = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
        flags = set(line.partition(":")[2].split())
    return Machine(architecture=platform.machine(), flags=tuple(sorted(flags & _FLAGS)))


def _check_same(found: Judged, expected: Judged, ids: Sequence[str]) -> None:
    if not ids or not len(ids) == len(found.probabilities) == len(expected.probabilities):
        raise VariantError(
            f"a certificate compares the same images: {len(ids)} are named, the variant has "
            f"{len(found.probabilities)}, the reference {len(expected.probabilities)}"
        )
    if found.probabilities.shape != expected.probabilities.shape or (found.masks is None) != (expected.masks is None):
        raise VariantError("a certificate compares the same outputs: the two networks do not give the same ones")


def _changed(mask: npt.NDArray[np.bool_], ids: Sequence[str]) -> Changed:
    return Changed(count=int(mask.sum()), ids=tuple(ids[i] for i in np.flatnonzero(mask).tolist()))


def _mask_agreement(
    found: npt.NDArray[np.float32] | None, expected: npt.NDArray[np.float32] | None, ids: Sequence[str]
) -> MaskAgreement | None:
    if found is None or expected is None:
        return None
    iou = np.array([_iou(a, b) for a, b in zip(found, expected, strict=True)])
    worst = int(iou.argmin())
    return MaskAgreement(mean_iou=float(iou.mean()), minimum_iou=float(iou[worst]), minimum_id=ids[worst])


def _iou(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Of two (c, h, w) scores: whatever is not background is the lesion."""
    maps = [(scores[0] > 0 if len(scores) == 1 else scores.argmax(axis=0) > 0).astype(np.uint8) for scores in (a, b)]
    return float(overlap.jaccard(overlap.lesion(overlap.count_pixels(maps[0], maps[1], 2))))


def _files(name: str, payload: Payload) -> dict[str, FileEntry]:
    files: Mapping[str, bytes] = payload if isinstance(payload, dict) else {FORMATS[name].files[0]: payload}
    return {file: FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)) for file, data in files.items()}


def _exceeded(measured: Certificate) -> list[str]:
    limits, images, largest, masks = measured.limits, measured.images, measured.largest_difference, measured.masks
    found = []
    if images < limits.images:
        found.append(f"{images} images were compared, at least {limits.images} are needed")
    if largest > limits.largest_difference:
        found.append(f"a probability differs by {largest:.4f}, at most {limits.largest_difference:g} is allowed")
    for what, changed in (("diagnosis", measured.diagnosis.count), ("referral", measured.referral.count)):
        if changed > limits.changed * images:
            found.append(
                f"the {what} of {changed} of {images} images changed, at most {limits.changed:.1%} are allowed"
            )
    if masks and masks.mean_iou < limits.mean_iou:
        found.append(f"the masks overlap by {masks.mean_iou:.4f} on average, at least {limits.mean_iou:g} is needed")
    return found
