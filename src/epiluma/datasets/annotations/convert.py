"""From one annotation format to another; every image in comes out or is explained."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import msgspec

from epiluma.datasets import fields
from epiluma.datasets.annotations.files import Stray, Writer, omitted, read_bytes, stem_of
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.annotations.registry import detect, format_named
from epiluma.datasets.record import DataError, MissingImage, Omitted
from epiluma.imaging.containers import PhotoError, read_container


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion did: `images_in == images_out + len(omitted)`, and the same for the regions of written images
    and of none.
    """

    source_format: str
    out_format: str
    classes: tuple[str, ...]
    """In the order of their numbers, from 1."""
    images_in: int
    images_out: int
    omitted: list[Omitted]
    """An image each: broken, without its file, or named twice."""
    regions_in: int
    regions_out: int
    regions_omitted: list[Omitted]
    """A region each: it covers no pixel (a point, a line), others hide it in a format without overlaps, or its image is
    not there."""
    notes: list[str]
    """Regions that lost a part of their pixels to others on top of them, in a format without overlaps."""


def convert(
    source: Path,
    source_format: str | None,
    out: Path,
    out_format: str,
    *,
    images: Path | None = None,
    labels: Sequence[str] = (),
) -> Converted:
    """Read annotations in one format and write them in another.

    `source_format` None is detected. With `images`, a folder, each annotation must have its image there, of the same
    size; names without suffix get theirs. `labels` are the class names in the order of their numbers from 1: they
    name the values of PNG and VOC masks, set the order in what is written, and make any other label an error. `out` is
    a new folder, or a new file for `coco` and `cvat`. Images that cannot be converted are in the result; raises
    DataError when the source as a whole cannot be read, holds no image, or `out` holds something.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if images is not None and not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    name = source_format or detect(source)
    reader, target = format_named(name), format_named(out_format)
    classes, items = reader.read(source, labels)
    first = next(items, None)
    if first is None:
        raise DataError(f"{source}: holds no annotation in the format {name}")
    tally = _Tally(images)
    try:
        writer = target.writer(out, classes)
        for item in itertools.chain([first], items):
            tally.take(item, writer)
        writer.close()
    except OSError as error:
        raise DataError(f"{error.filename or out}: {error.strerror}") from error
    return tally.result(name, out_format, classes)


@dataclass
class _Tally:
    """What became of the images so far."""

    images: Path | None
    """Folder of the images, when they are to be looked at."""
    seen: set[str] = field(default_factory=set)
    """Names of those that were written."""
    omitted: list[Omitted] = field(default_factory=list)
    regions_in: int = 0
    regions_omitted: list[Omitted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def _by_stem(self) -> dict[str, Path]:
        return fields.index_images(self.images, ["."]) if self.images else {}

    def take(self, item: Annotation | Omitted | Stray, writer: Writer) -> None:
        """Write an image, or note why not; a region without an image is noted too."""
        if isinstance(item, Stray):
            self.regions_in += 1
            self.regions_omitted.append(item.omitted)
            return
        if isinstance(item, Omitted):
            self.omitted.append(item)
            return
        try:
            annotation = _with_its_image(item, self.images, self._by_stem) if self.images else item
            if annotation.image in self.seen:
                raise DataError(f"image {annotation.image} is named twice")
            written = writer.add(annotation)
        except MissingImage as reason:
            self.omitted.append(omitted(item.where, item.image, reason, "missing"))
        except DataError as reason:
            self.omitted.append(omitted(item.where, item.image, reason))
        else:
            self.seen.add(annotation.image)
            self.regions_in += len(annotation.regions) + len(annotation.omitted)
            self.regions_omitted += [*annotation.omitted, *written.omitted]
            self.notes += written.notes

    def result(self, source_format: str, out_format: str, classes: tuple[str, ...]) -> Converted:
        """All of it, counted."""
        return Converted(
            source_format=source_format,
            out_format=out_format,
            classes=classes,
            images_in=len(self.seen) + len(self.omitted),
            images_out=len(self.seen),
            omitted=self.omitted,
            regions_in=self.regions_in,
            regions_out=self.regions_in - len(self.regions_omitted),
            regions_omitted=self.regions_omitted,
            notes=self.notes,
        )


def _with_its_image(annotation: Annotation, images: Path, by_stem: Mapping[str, Path]) -> Annotation:
    """The annotation under the name of its image file. Raises MissingImage, or DataError when their sizes differ."""
    path = fields.inside(images, annotation.image)
    if not path.is_file():  # a name without suffix, or an image that was saved in another format
        path = fields.image_of(Path(stem_of(annotation.image)).name, by_stem, str(images))
    try:
        found = read_container(read_bytes(path))
    except PhotoError as error:
        raise DataError(f"{path}: {error.reason}") from error
    size = (found.height, found.width) if found.orientation >= 5 else (found.width, found.height)
    if size != (annotation.width, annotation.height):
        raise DataError(
            f"annotated at {annotation.width} x {annotation.height} pixels, but {path} has {size[0]} x {size[1]}"
        )
    return replace(annotation, image=path.relative_to(images).as_posix())
