"""One table that every runner of a segmentation network writes: how each predicted outline agrees with the truth.

It holds pixel counts rather than masks, so a table of some thousand images is small enough to keep, and yet every
overlap figure, pooled or by image, can be computed from it. The boundary figures need the masks and stand in it
ready. On disk it is a CSV whose first line is a JSON header behind `# `, like Predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma import headed_csv
from epiluma.errors import EpilumaError

FORMAT = 1
BOUNDARY_TOLERANCE = 0.0075
"""How far apart two boundary pixels may be and still match, as a share of the image diagonal (Csurka et al. 2013)."""

_FIXED = ("image_id", "group", "part", "width", "height", "boundary_f1", "hd95")
_COUNTS = ("intersection", "predicted", "truth")

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


class SegmentationsError(EpilumaError):
    """A table of segmentations that is malformed; the message names the file, the line and the reason."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is true of the whole table."""

    kind: Literal["segmentations"] = "segmentations"
    """Tells this table from Predictions."""
    format: int = FORMAT
    classes: tuple[str, ...]
    """Names of the classes, background first; all others together are the lesion."""
    runner: str
    """What produced the table: `checkpoint`, `onnx-fp32`, ..."""
    model: str
    """Run name or bundle id."""
    network_size: tuple[int, int]
    """Width and height, in pixels, of what the network saw."""
    scored_size: tuple[int, int] | None
    """Width and height, in pixels, at which prediction and truth were compared; null when each image was compared
    at its own size."""
    boundary_tolerance: float = BOUNDARY_TOLERANCE
    """Tolerance of `boundary_f1`, as a share of the image diagonal."""
    manifest_sha256: str
    """Hash of the data manifest (split) the images come from."""
    audit: str
    """Verdict of the data audit: `clean: ...`, `leak: ...` or `not audited`."""

    def __post_init__(self) -> None:
        """Raise SegmentationsError when a field contradicts its meaning."""
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise SegmentationsError("'classes' must name the background and at least one more, each once")
        if not 0 < self.boundary_tolerance < 1:
            raise SegmentationsError("'boundary_tolerance' is a share of the diagonal, above 0 and below 1")
        if min(*self.network_size, *(self.scored_size or (1,))) < 1:
            raise SegmentationsError("'network_size' and 'scored_size' must be at least 1 x 1 pixel")


@dataclass(frozen=True)
class Segmentations:
    """n images, K classes: pixel counts and boundary figures of each image.

    An image that the runner could not judge is one in which it found nothing: all background.
    """

    header: Header
    image_id: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    """Lesion (or patient) of each image; intervals resample these."""
    part: npt.NDArray[np.str_]
    width: Ints
    """(n,) pixels at which the image was scored."""
    height: Ints
    boundary_f1: Floats
    """(n,) boundary F1 of the lesion, 0 to 1."""
    hd95: Floats
    """(n,) 95th percentile of the lesion's boundary distances, in pixels: 0 to the diagonal."""
    intersection: Ints
    """(n, K) pixels that have the class in both maps."""
    predicted: Ints
    """(n, K) pixels of the class in the prediction."""
    truth: Ints
    """(n, K) pixels of the class in the truth."""
    subgroups: dict[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    """Columns such as sex, site, confirmation, source; empty string where unknown."""

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def diagonal(self) -> Floats:
        """(n,) length of each image's diagonal in pixels."""
        return np.hypot(self.width, self.height)

    def take(self, rows: npt.NDArray[np.bool_] | Ints) -> Segmentations:
        """The rows that `rows` marks, or lists in their new order."""
        columns = [column.name for column in fields(self) if column.name not in ("header", "subgroups")]
        picked = {name: getattr(self, name)[rows] for name in columns}
        return replace(self, **picked, subgroups={name: column[rows] for name, column in self.subgroups.items()})

    def only(self, part: str) -> Segmentations:
        """The rows of one part of the split."""
        return self.take(self.part == part)


def write(table: Segmentations, path: Path | str) -> None:
    """Write the table; boundary F1 keeps four decimals, HD95 two. Raises SegmentationsError when it is not sound."""
    for row, reason in _faults(table):
        raise SegmentationsError(f"{path}: image {table.image_id[row]}: {reason}")
    names = sorted(table.subgroups)
    columns = zip(
        *(table.image_id, table.group, table.part, table.width, table.height),
        *((f"{value:.4f}" for value in table.boundary_f1), (f"{value:.2f}" for value in table.hd95)),
        *(getattr(table, count)[:, i] for i in range(len(table.header.classes)) for count in _COUNTS),
        *(table.subgroups[name] for name in names),
        strict=True,
    )
    headed_csv.write(path, table.header, [*_columns(table.header), *names], columns)


def read(path: Path | str) -> Segmentations:
    """Read a table. Raises SegmentationsError with file and line."""
    content = headed_csv.read(path, Header, _columns, SegmentationsError)
    header, width = content.header, len(_columns(content.header))
    sizes, boundary = np.empty((len(content.lines), 2), np.intp), np.empty((len(content.lines), 2))
    counts = np.empty((len(content.lines), len(header.classes), len(_COUNTS)), np.intp)
    for i, (number, cells) in enumerate(content.lines):
        try:
            sizes[i] = [int(cell) for cell in cells[3:5]]
            boundary[i] = [float(cell) for cell in cells[5:7]]
            counts[i] = np.reshape([int(cell) for cell in cells[len(_FIXED) : width]], counts.shape[1:])
        except (ValueError, OverflowError) as error:
            raise SegmentationsError(f"{path}: line {number}: cannot be read ({error})") from error

    def text(column: int) -> npt.NDArray[np.str_]:
        return np.array([line.cells[column] for line in content.lines], dtype=np.str_)

    table = Segmentations(
        header=header,
        image_id=text(0),
        group=text(1),
        part=text(2),
        width=sizes[:, 0],
        height=sizes[:, 1],
        boundary_f1=boundary[:, 0],
        hd95=boundary[:, 1],
        **{name: counts[:, :, i] for i, name in enumerate(_COUNTS)},
        subgroups={name: text(i) for i, name in enumerate(content.columns) if i >= width},
    )
    for row, reason in _faults(table):
        raise SegmentationsError(f"{path}: line {content.lines[row].number}: {reason}")
    return table


def is_segmentations(path: Path | str) -> bool:
    """Whether the file says in its first line that it is such a table; false for what cannot be read."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            header = msgspec.json.decode(file.readline().removeprefix("# "))
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("kind") == "segmentations"


def _columns(header: Header) -> list[str]:
    return [*_FIXED, *(f"{count}_{name}" for name in header.classes for count in _COUNTS)]


def _faults(table: Segmentations) -> Iterator[tuple[int, str]]:
    """(row, reason) of rows that contradict themselves or the header."""
    scored = table.header.scored_size or (table.width, table.height)
    pixels, rounding = table.width * table.height, 0.005
    rules = (
        ((table.width > 0) & (table.height > 0), "width and height must be above 0"),
        ((table.width == scored[0]) & (table.height == scored[1]), "the size is not the header's 'scored_size'"),
        ((table.intersection >= 0).all(1), "a count of pixels is below 0"),
        ((table.intersection <= table.predicted).all(1), "an intersection is larger than what was predicted"),
        ((table.intersection <= table.truth).all(1), "an intersection is larger than the truth"),
        (table.predicted.sum(1) == pixels, "the predicted pixels are not width x height in all"),
        (table.truth.sum(1) == pixels, "the true pixels are not width x height in all"),
        ((table.boundary_f1 >= 0) & (table.boundary_f1 <= 1), "boundary_f1 must lie in 0 to 1"),
        ((table.hd95 >= 0) & (table.hd95 <= table.diagonal + rounding), "hd95 must lie between 0 and the diagonal"),
    )
    for sound, reason in rules:
        yield from ((int(row), reason) for row in np.flatnonzero(~np.asarray(sound)))
