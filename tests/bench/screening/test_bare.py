"""The plain work is really the same work."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from epiluma.bench.screening import bare
from epiluma.bench.screening.subject import Subject
from epiluma.bundle import Bundle
from epiluma.inference.screen import Screener
from epiluma.inference.session import Session, known_input
from tests.conftest import LEAVES, SIZE, make_tiny_bundle
from tests.inference.test_session import EVEN, with_variant


def test_all_networks_run_with_all_views(subject: Subject) -> None:
    (four,) = bare.networks(make_tiny_bundle(views=4))()
    assert four[0].shape == (4, LEAVES)
    diagnosis, outline = bare.networks(subject.screener.bundle)()
    assert diagnosis[0].shape == (1, LEAVES)
    assert outline[0].shape == (1, 1, SIZE, SIZE)


def test_the_network_gives_what_a_session_gives(tiny_bundle: Bundle) -> None:
    (found,) = bare.networks(tiny_bundle)()
    np.testing.assert_allclose(found[0], Session(tiny_bundle).logits(known_input(0, SIZE)), rtol=1e-5, atol=1e-5)


def test_the_graph_that_a_screening_prefers_is_the_one_that_runs_bare(tiny_bundle: Bundle) -> None:
    screener = Screener(with_variant(tiny_bundle, EVEN))
    (found,) = bare.networks(screener.bundle)()
    assert not found[0].any()  # the preferred graph gives zeros, the other one does not
    assert bare.networks(tiny_bundle)()[0][0].any()


def test_a_bundle_without_outline_has_none(tiny_bundle: Bundle) -> None:
    assert bare.outline(tiny_bundle) is None


def test_pillow_decodes_as_far_as_a_screening_does(subject: Subject) -> None:
    photo = subject.large[0].data
    ours = subject.screener.view.open(photo, SIZE).image
    plain = bare.decode_scaled(photo, subject.decoded_side)
    assert plain.size == ours.size != subject.large[0].size
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(ours))


def test_the_tensor_is_that_of_the_photo_decoded_in_full(subject: Subject, tiny_bundle: Bundle) -> None:
    photo = subject.photos[0].data
    cut = Image.open(io.BytesIO(photo)).convert("RGB").crop((75, 0, 525, 450))
    square = cut.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    expected = np.asarray(square, np.float64).transpose(2, 0, 1)[None] / 127.5 - 1
    np.testing.assert_allclose(bare.full_tensor(photo, tiny_bundle), expected, atol=0.03)
