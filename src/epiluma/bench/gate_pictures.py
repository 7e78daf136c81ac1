"""The pictures of `epiluma bench gate`: photos and drawings as matched files, and photos spoilt step by step."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from epiluma.bundle import Bundle
from epiluma.datasets.record import Sample
from epiluma.export.scope import Output, Seen, output_of
from epiluma.imaging.decode import decode_photo
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.imaging.synthetic.outside import SIDE, as_file, draw_outside
from epiluma.inference.session import DEFAULT_PROVIDER, SessionError, open_graph, over_views
from epiluma.inference.view import View

FIRST_SEED = 10_000
"""Drawings from here on are measured; those before served to find out what to draw and how to score."""
SEVERITIES = (1, 2, 3, 4, 5)


class Eye:
    """A bundle's graph on one thread: photos in; features, logits and the logits over all views out."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises SessionError, also when the graph gives no features."""
        self._facts, self._view = bundle.manifest, View.of(bundle)
        self._session = open_graph(bundle.graph, bundle.manifest.graph, DEFAULT_PROVIDER)
        try:
            self.output: Output = output_of([value.name for value in self._session.get_outputs()])
        except ValueError as error:
            raise SessionError(f"{bundle.manifest.graph}: {error}; export the run again") from error

    def seen(self, photos: Iterator[Image.Image]) -> Seen:
        """Features and logits of photos as they are."""
        found = [self._run(self._batch(photo)) for photo in photos]
        return Seen(np.concatenate([one.features for one in found]), np.concatenate([one.logits for one in found]))

    def answer(self, photo: Image.Image) -> tuple[Seen, npt.NDArray[np.float32]]:
        """Of one photo: features and logits as it is, and (1, leaves) logits over the bundle's views."""
        batch, views = self._batch(photo), []

        def logits(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            views.append(self._run(images))
            return views[0].logits

        mean = over_views(logits, batch, self._facts.views)
        return Seen(views[0].features[:1], views[0].logits[:1]), mean

    def _batch(self, photo: Image.Image) -> npt.NDArray[np.float32]:
        spec, mask = self._facts.preprocessing, self._view.mask(photo) if self._facts.crop else None
        square = self._view.square(photo, self._view.box(photo, mask), spec.size)
        return normalise(square[None], mean=spec.mean, std=spec.std)

    def _run(self, batch: npt.NDArray[np.float32]) -> Seen:
        features, logits = self._session.run([self.output, "logits"], {"image": batch})
        return Seen(features.reshape(len(batch), -1), logits)


def photos(samples: Sequence[Sample]) -> Iterator[Image.Image]:
    """Published photos, decoded from a file of matched size and quality. Raises PhotoError."""
    for sample in samples:
        yield _reopened(as_file(decode_photo(sample.path.read_bytes()).image))


def mask_of(sample: Sample) -> npt.NDArray[np.bool_] | None:
    """(SIDE, SIDE) true on the lesion, of the same square as the photo's; None where the publisher gives none."""
    if sample.mask is None:
        return None
    with Image.open(sample.mask) as image:
        mask: npt.NDArray[np.bool_] = to_square(image.convert("RGB"), SIDE)[..., 0] >= 128
    return mask


def drawings(family: str, count: int) -> Iterator[Image.Image]:
    """Drawn pictures of a family, likewise."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        yield _reopened(as_file(draw_outside(family, seed).image))


def _reopened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


class Corruption(NamedTuple):
    """One way in which a photo is spoilt, at five severities."""

    unit: str
    parameters: tuple[float, float, float, float, float]
    spoil: Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _blurred(photo: Image.Image, sigma: float, _: np.random.Generator) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(sigma))


def _noisy(photo: Image.Image, spread: float, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(photo, np.float32)
    return Image.fromarray(np.clip(pixels + random.normal(0, spread * 255, pixels.shape), 0, 255).astype(np.uint8))


def _dark(photo: Image.Image, share: float, _: np.random.Generator) -> Image.Image:
    return photo.point(lambda level: level * share)


def _compressed(photo: Image.Image, quality: float, _: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=int(quality))
    return _reopened(buffer.getvalue())


CORRUPTIONS = {
    "blur": Corruption("standard deviation, pixels of 256", (1, 2, 3, 4, 6), _blurred),
    "noise": Corruption("standard deviation, share of full scale", (0.08, 0.12, 0.18, 0.26, 0.38), _noisy),
    "dark": Corruption("share of the light that is left", (0.7, 0.5, 0.35, 0.25, 0.15), _dark),
    "jpeg": Corruption("quality", (25, 18, 15, 10, 7), _compressed),
}
"""Blur, noise and JPEG as in ImageNet-C (Hendrycks and Dietterich 2019, arXiv:1903.12261), which has no darkening."""


def spoilt(photo: Image.Image, name: str, severity: int, *, seed: int) -> Image.Image:
    """An RGB photo, spoilt; severity 1 to 5. The same arguments give the same pixels."""
    corruption = CORRUPTIONS[name]
    random = np.random.default_rng([seed, severity])
    return corruption.spoil(photo, corruption.parameters[severity - 1], random)
