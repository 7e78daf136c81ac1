"""A certificate counts what differs, names the photos, and says so when it is too much."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from importlib.metadata import version

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import jaccard_score

from epiluma import bundle as bundles
from epiluma.export import variants
from epiluma.export.variants import Certificate, Judged, Limits, Outputs
from epiluma.export.variants.certificate import LIMITS, machine

WIDE = Limits(largest_difference=1, changed=1, mean_iou=0, images=1)


def judged(
    probabilities: npt.ArrayLike, *, referred: npt.ArrayLike | None = None, masks: npt.ArrayLike | None = None
) -> Judged:
    """Decisions that follow from probabilities alone: the most probable diagnosis, referral from 0.5 on."""
    table = np.asarray(probabilities, np.float64)
    return Judged(
        table,
        table.argmax(axis=1),
        table[:, 0] >= 0.5 if referred is None else np.asarray(referred, bool),
        None if masks is None else np.asarray(masks, np.float32),
    )


def compare(found: Judged, expected: Judged, name: str = "onnx-int8", limits: Limits | None = WIDE) -> Certificate:
    ids = [f"photo-{i}" for i in range(len(expected.probabilities))]
    return variants.certificate(name, b"graph", found, expected, ids=ids, reference_bytes=100, limits=limits)


def test_differences_and_changed_decisions_are_counted_and_named() -> None:
    expected = judged([[0.6, 0.4], [0.2, 0.8], [0.52, 0.48], [0.9, 0.1]])
    found = judged([[0.6, 0.4], [0.25, 0.75], [0.47, 0.53], [0.9, 0.1]], referred=[True, True, False, True])
    measured = compare(found, expected)
    assert measured.largest_difference == pytest.approx(0.05)
    assert measured.mean_difference == pytest.approx((2 * 0.05 + 2 * 0.05) / 8)
    assert (measured.diagnosis.count, measured.diagnosis.ids) == (1, ("photo-2",))
    assert (measured.referral.count, measured.referral.ids) == (2, ("photo-1", "photo-2"))
    assert (measured.images, measured.masks, measured.status, measured.exceeded) == (4, None, "within limits", ())


def test_files_are_tied_to_their_bytes() -> None:
    one = compare(judged([[0.6, 0.4]]), judged([[0.6, 0.4]]))
    assert one.files == {"model.onnx": bundles.FileEntry(sha256=hashlib.sha256(b"graph").hexdigest(), bytes=5)}
    assert (one.bytes, one.reference_bytes) == (5, 100)
    same = judged([[0.6, 0.4]])
    two = variants.certificate(
        "openvino", {"model.xml": b"abc", "model.bin": b"defg"}, same, same, ids=["a"], reference_bytes=9
    )
    assert {name: entry.bytes for name, entry in two.files.items()} == {"model.xml": 3, "model.bin": 4}
    assert two.bytes == 7


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), channels=st.integers(1, 3))
def test_mask_overlap_is_scikit_learns(seed: int, channels: int) -> None:
    random = np.random.default_rng(seed)
    a = random.normal(0, 1, (5, channels, 6, 7)).astype(np.float32)
    b = (a + random.normal(0, 0.7, a.shape)).astype(np.float32)
    a[0] = b[0] = -1.0  # no lesion in either; of several classes, the first wins
    lesions = [m[:, 0] > 0 if channels == 1 else m.argmax(axis=1) > 0 for m in (a, b)]
    truth = [
        jaccard_score(x.ravel(), y.ravel(), zero_division=1.0) for x, y in zip(lesions[0], lesions[1], strict=True)
    ]
    same = [[0.6, 0.4]] * 5
    masks = compare(judged(same, masks=a), judged(same, masks=b)).masks
    assert masks is not None
    assert masks.mean_iou == pytest.approx(np.mean(truth))
    assert masks.minimum_iou == pytest.approx(np.min(truth))
    assert masks.minimum_id == f"photo-{int(np.argmin(truth))}"


def test_of_masks_alone_only_the_masks_are_compared() -> None:
    masks = np.ones((2, 1, 4, 4), np.float32)
    half = masks.copy()
    half[1, :, 2:] = -1
    found, expected = (variants.outlined(Outputs(np.empty((2, 0), np.float32), m)) for m in (half, masks))
    measured = compare(found, expected)
    assert (measured.largest_difference, measured.mean_difference) == (0, 0)
    assert (measured.diagnosis.count, measured.referral.count) == (0, 0)
    assert measured.masks is not None
    assert (measured.masks.mean_iou, measured.masks.minimum_id) == (0.75, "photo-1")


def many(changed: int = 0, shift: float = 0.0, n: int = 1000, overlap: float = 1.0) -> tuple[Judged, Judged]:
    """n photos: the first `changed` of them decided otherwise, one probability moved by `shift`, masks that overlap."""
    base = np.tile([0.9, 0.1], (n, 1))
    moved = base.copy()
    moved[-1] += [-shift, shift]
    mask, part = np.ones((n, 1, 1, 1000)), np.ones((n, 1, 1, 1000))
    part[..., round(1000 * overlap) :] = -1
    found = judged(moved, masks=part)
    diagnosis, referred = found.diagnosis.copy(), found.referred.copy()
    diagnosis[:changed], referred[:changed] = 1, False
    return found._replace(diagnosis=diagnosis, referred=referred), judged(base, masks=mask)


@pytest.mark.parametrize("name", list(LIMITS))
@pytest.mark.parametrize(
    ("just", "over", "reason"),
    [
        (
            lambda limits: many(changed=int(limits.changed * 1000)),
            lambda limits: many(changed=int(limits.changed * 1000) + 1),
            r"the diagnosis of \d+ of 1000 images changed, .*the referral of \d+ of 1000 images changed",
        ),
        (
            lambda limits: many(shift=0.99 * limits.largest_difference),
            lambda limits: many(shift=1.01 * limits.largest_difference),
            "a probability differs by",
        ),
        (
            lambda limits: many(overlap=limits.mean_iou + 0.001),
            lambda limits: many(overlap=limits.mean_iou - 0.001),
            "the masks overlap by",
        ),
        (lambda _: many(n=1000), lambda _: many(n=999), "999 images were compared, at least 1000 are needed"),
    ],
    ids=["decisions", "probability", "masks", "images"],
)
def test_each_limit_holds_just_so_and_no_further(
    name: str,
    just: Callable[[Limits], tuple[Judged, Judged]],
    over: Callable[[Limits], tuple[Judged, Judged]],
    reason: str,
) -> None:
    within = compare(*just(LIMITS[name]), name=name, limits=None)
    assert (within.status, within.exceeded) == ("within limits", ())
    assert variants.require(within) is within
    outside = compare(*over(LIMITS[name]), name=name, limits=None)
    assert outside.status == "measured, not within limits"
    assert outside.images == len(over(LIMITS[name])[0].probabilities), "what was measured is kept"
    with pytest.raises(variants.OutsideLimits, match=f"^{name} is not certified: {reason}"):
        variants.require(outside)


def test_limits_get_no_looser_with_more_bits() -> None:
    assert set(LIMITS) == set(variants.FORMATS)
    for more, fewer in (("openvino", "onnx-fp16"), ("onnx-fp16", "onnx-int8")):
        assert LIMITS[more].largest_difference < LIMITS[fewer].largest_difference
        assert LIMITS[more].changed < LIMITS[fewer].changed
        assert LIMITS[more].mean_iou > LIMITS[fewer].mean_iou


def test_the_certificate_survives_json_and_names_tools_and_processor() -> None:
    measured = compare(*many(changed=3, shift=0.3), limits=None)
    assert msgspec.json.decode(msgspec.json.encode(measured), type=Certificate) == measured
    assert measured.tools["python"] == platform.python_version()
    assert measured.tools["onnxruntime"] == version("onnxruntime")
    assert measured.machine.architecture == platform.machine()
    assert measured.machine == machine()


def test_decisions_are_those_of_the_manifest(tiny_bundle: bundles.Bundle) -> None:
    """Written out once more: softmax over temperature, over prevalence, referral by threshold, diagnosis or harm."""
    manifest = tiny_bundle.manifest
    logits = np.random.default_rng(0).normal(0, 2, (200, 8)).astype(np.float32)
    found = variants.judge(Outputs(logits, None), manifest)
    probabilities = softmax(logits.astype(float) / 1.5, axis=1)
    diagnosis = (probabilities / np.array(manifest.calibration.prevalence)).argmax(axis=1)
    malignant = np.array([leaf.malignant for leaf in manifest.taxonomy.leaves])
    np.testing.assert_allclose(found.probabilities, probabilities, atol=1e-12)
    np.testing.assert_array_equal(found.diagnosis, diagnosis)
    harm = probabilities @ [20, 0, 8, 8, 0, 0, 0, 20]
    risky = probabilities[:, malignant].sum(1) >= 0.2
    np.testing.assert_array_equal(found.referred, risky | malignant[diagnosis] | (harm >= 1))


def test_other_images_or_outputs_are_not_compared() -> None:
    two, three = judged([[0.6, 0.4]] * 2), judged([[0.6, 0.4]] * 3)
    with pytest.raises(variants.VariantError, match="2 are named, the variant has 3, the reference 2"):
        compare(three, two)
    with pytest.raises(variants.VariantError, match="0 are named"):
        compare(judged(np.empty((0, 2))), judged(np.empty((0, 2))))
    with pytest.raises(variants.VariantError, match="do not give the same ones"):
        compare(judged([[0.6, 0.4]], masks=np.ones((1, 1, 2, 2))), judged([[0.6, 0.4]]))
