"""The index finds what looking at every code finds, and a picture's symmetries and crops keep its hash near."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from epiluma.datasets import hashing
from epiluma.datasets.hashing import HashIndex
from epiluma.imaging.synthetic import draw_lesion

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def grey() -> Floats:
    """(12, 32, 32) drawn lesions."""
    squares = np.stack([draw_lesion(seed, size=(64, 64)).image for seed in range(12)]).mean(axis=3)
    return squares.reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4)).astype(np.float32)


def found(index: HashIndex, queries: npt.NDArray[np.uint64], distance: int) -> set[tuple[int, int]]:
    batches = index.within(queries, distance)
    return {pair for query, code in batches for pair in zip(query.tolist(), code.tolist(), strict=True)}


def by_brute_force(one: list[int], other: list[int], distance: int) -> set[tuple[int, int]]:
    return {(i, j) for i, a in enumerate(one) for j, b in enumerate(other) if (a ^ b).bit_count() <= distance}


def flipped(code: int, bits: list[int]) -> int:
    for bit in bits:
        code ^= 1 << bit
    return code


@settings(max_examples=60, deadline=None)
@given(
    blocks=st.sampled_from([7, 8, 9]),
    data=st.lists(st.tuples(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 62), max_size=9)), max_size=40),
)
def test_within_its_radius_the_index_finds_what_brute_force_finds(
    blocks: int, data: list[tuple[int, list[int]]]
) -> None:
    codes = [code for code, _ in data]
    queries = [flipped(code, bits) for code, bits in data]
    index = HashIndex(np.array(codes, np.uint64), blocks=blocks)
    assert index.radius == blocks - 2
    for distance in (0, index.radius):
        assert found(index, np.array(queries, np.uint64), distance) == by_brute_force(queries, codes, distance)


def test_beyond_its_radius_the_index_finds_no_more_than_was_asked_for() -> None:
    random = np.random.default_rng(3)
    codes = random.integers(0, 2**63, 300, np.uint64)
    queries = codes ^ np.bitwise_or.reduce(np.uint64(1) << random.integers(0, 63, (14, 300), np.uint64))
    truth = by_brute_force(queries.tolist(), codes.tolist(), 12)
    some = found(HashIndex(codes), queries, 12)
    assert some <= truth
    assert 0 < len(some) < len(truth)


@pytest.mark.parametrize("batch", [1, 2, 7, 1000])
def test_batches_of_any_size_give_the_same(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.repeat(np.random.default_rng(0).integers(0, 2**63, 5, np.uint64), 6)
    monkeypatch.setattr(hashing, "_EXPANDED", batch)
    assert found(HashIndex(codes), codes, 0) == by_brute_force(codes.tolist(), codes.tolist(), 0)


def test_an_empty_index_finds_nothing() -> None:
    empty = np.empty(0, np.uint64)
    assert found(HashIndex(empty), np.arange(3, dtype=np.uint64), 63) == set()
    assert found(HashIndex(np.arange(3, dtype=np.uint64)), empty, 63) == set()


def test_a_spectrum_is_scipys_cosine_transform(grey: Floats) -> None:
    expected = dctn(grey, axes=(1, 2), norm="ortho")[:, :10, :10]
    expected[:, 0, 0] = 0
    expected /= np.linalg.norm(expected, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(hashing.spectra(grey, hashing.WINDOWS[:1])[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize("symmetry", range(8))
def test_turning_a_spectrum_is_turning_the_picture(grey: Floats, symmetry: int) -> None:
    swap, up, left = hashing.SYMMETRIES[symmetry]
    pictures = grey.transpose(0, 2, 1) if swap else grey
    pictures = pictures[:, :: -1 if up else 1, :: -1 if left else 1]
    whole = hashing.WINDOWS[:1]
    turned = hashing.turned(hashing.spectra(grey, whole), symmetry)
    np.testing.assert_allclose(turned, hashing.spectra(pictures, whole), atol=1e-4)


@pytest.mark.parametrize("symmetry", range(8))
def test_a_turned_picture_is_looked_for_where_it_is_indexed(grey: Floats, symmetry: int) -> None:
    """All eight views of a lesion have one upright hash, or the lookups of each hold the upright one of the others."""
    swap, up, left = hashing.SYMMETRIES[symmetry]
    pictures = (grey.transpose(0, 2, 1) if swap else grey)[:, :: -1 if up else 1, :: -1 if left else 1]
    indexed, asked = hashing.upright(grey), hashing.lookups(pictures)
    for i in range(len(grey)):
        code = indexed.codes[indexed.picture == i]
        assert code.size == 1
        assert np.bitwise_count(asked.codes[asked.picture == i] ^ code).min() <= 1


def test_a_window_turns_with_its_picture() -> None:
    """The upper left 90% of a picture mirrored left to right is its upper right."""
    corner = (1, 1)
    assert hashing.turned_window(corner, hashing.SYMMETRIES.index((0, 0, 1))) == ((0.0, 0.9), pytest.approx((0.1, 1.0)))
    wide = (0, 4)
    assert hashing.turned_window(wide, hashing.SYMMETRIES.index((1, 0, 0))) == ((1 / 8, 7 / 8), (0.0, 1.0))


def test_a_blank_picture_has_no_hash() -> None:
    blank = np.full((3, 32, 32), 200, np.float32)
    assert len(hashing.upright(blank).picture) == len(hashing.lookups(blank).picture) == 0


def test_vectors_that_point_the_same_way_have_near_signs() -> None:
    """Bits differ in proportion to the angle: 63 * angle / pi."""
    random = np.random.default_rng(1)
    one, noise = random.normal(size=(2, 400, 128)).astype(np.float32)
    for size in (0.0, 0.5, 100.0):
        other = one + size * noise
        cosine = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        expected = 63 * np.arccos(np.minimum(cosine, 1)).mean() / np.pi
        differing = np.bitwise_count(hashing.signs(one) ^ hashing.signs(other))
        assert differing.mean() == pytest.approx(expected, abs=0.8)
