"""One table that every runner writes and every metric reads.

A checkpoint, an ONNX graph, a device and the server all write this table, so every number in every report
comes from one set of metrics. On disk it is a CSV whose first line is a JSON header behind `# `.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma import headed_csv
from epiluma.errors import EpilumaError

FORMAT = 1
_FIXED = ("image_id", "group", "part", "truth", "diagnosis", "referred")


class PredictionsError(EpilumaError):
    """A predictions table that is malformed; the message names the file, the row and the reason."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is true of the whole table."""

    format: int = FORMAT
    codes: tuple[str, ...]
    """Leaf codes, in the order of the probability columns."""
    groups: tuple[str, ...]
    """For each leaf, the code of its group in the grouped (seven-class) view."""
    malignant: tuple[bool, ...]
    """For each leaf, whether it counts as malignant."""
    runner: str
    """What produced the table: `checkpoint`, `onnx-fp32`, ..."""
    model: str
    """Run name or bundle id."""
    manifest_sha256: str
    """Hash of the data manifest (split) the images come from."""
    audit: str
    """Verdict of the data audit: `clean: ...`, `leak: ...` or `not audited`."""
    prevalence: tuple[float, ...]
    """Class shares at which the probabilities are calibrated; empty when they are not calibrated."""
    threshold: float | None = None
    """Malignancy risk at or above which `referred` is true."""


@dataclass(frozen=True)
class Predictions:
    """n images: truth, calibrated probabilities, and the decisions made from them."""

    header: Header
    image_id: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    """Lesion (or patient) of each image; intervals resample these."""
    part: npt.NDArray[np.str_]
    truth: npt.NDArray[np.intp]
    """Index into `header.codes`."""
    probabilities: npt.NDArray[np.float64]
    """(n, leaves), rows sum to 1."""
    diagnosis: npt.NDArray[np.intp]
    """Index into `header.codes`, by the bundle's decision rule; -1 where the runner could not judge."""
    referred: npt.NDArray[np.bool_]
    """Whether the recommendation refers the person."""
    subgroups: dict[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    """Columns such as age, sex, site, confirmation; empty string where unknown."""

    def __len__(self) -> int:
        return len(self.image_id)

    @property
    def risk(self) -> npt.NDArray[np.float64]:
        """(n,) malignancy risk: the sum of the malignant leaves' probabilities."""
        total: npt.NDArray[np.float64] = self.probabilities[:, np.array(self.header.malignant, bool)].sum(1)
        return total

    def where(self, mask: npt.NDArray[np.bool_]) -> Predictions:
        """The rows for which `mask` is true."""
        columns = ("image_id", "group", "part", "truth", "probabilities", "diagnosis", "referred")
        picked = {name: getattr(self, name)[mask] for name in columns}
        return replace(self, **picked, subgroups={name: column[mask] for name, column in self.subgroups.items()})

    def only(self, part: str) -> Predictions:
        """The rows of one part of the split."""
        return self.where(self.part == part)


def write(predictions: Predictions, path: Path | str) -> None:
    """Write the table; probabilities keep six decimals."""
    header, subgroups = predictions.header, sorted(predictions.subgroups)
    names = np.array([*header.codes, ""])  # the last for -1, could not be judged
    columns = zip(
        *(predictions.image_id, predictions.group, predictions.part),
        *(names[predictions.truth], names[predictions.diagnosis], predictions.referred.astype(int)),
        *([f"{p:.6f}" for p in column] for column in predictions.probabilities.T),
        *(predictions.subgroups[name] for name in subgroups),
        strict=True,
    )
    headed_csv.write(path, header, [*_columns(header), *subgroups], columns)


def read(path: Path | str) -> Predictions:
    """Read a table. Raises PredictionsError with file and line."""
    found = headed_csv.read(path, Header, _columns, PredictionsError)
    for number, cells in found.lines:
        if cells[5] not in ("0", "1"):
            raise PredictionsError(f"{path}: line {number}: referred must be 0 or 1, not {cells[5]!r}")
    return _parse(Path(path), found.header, found.columns[len(_columns(found.header)) :], found.lines)


def _columns(header: Header) -> list[str]:
    return [*_FIXED, *(f"p_{code}" for code in header.codes)]


def _parse(path: Path, header: Header, subgroup_names: Sequence[str], rows: list[headed_csv.Line]) -> Predictions:
    index = {code: i for i, code in enumerate(header.codes)}
    leaves, fixed = len(header.codes), len(_FIXED)

    def column(i: int) -> npt.NDArray[np.str_]:
        return np.array([row.cells[i] for row in rows], dtype=np.str_)

    truth, diagnosis = np.empty(len(rows), np.intp), np.empty(len(rows), np.intp)
    probabilities = np.empty((len(rows), leaves))
    for i, (number, row) in enumerate(rows):
        try:
            truth[i] = index[row[3]]
            diagnosis[i] = index[row[4]] if row[4] else -1
            probabilities[i] = [float(cell) for cell in row[fixed : fixed + leaves]]
        except (KeyError, ValueError) as error:
            raise PredictionsError(f"{path}: line {number}: cannot be read ({error!r})") from error
        if not np.isfinite(probabilities[i]).all() or abs(probabilities[i].sum() - 1) > 1e-3:
            raise PredictionsError(f"{path}: line {number}: probabilities must be finite and sum to 1")
    return Predictions(
        header=header,
        image_id=column(0),
        group=column(1),
        part=column(2),
        truth=truth,
        probabilities=probabilities,
        diagnosis=diagnosis,
        referred=column(5) == "1",
        subgroups={name: column(fixed + leaves + i) for i, name in enumerate(subgroup_names)},
    )
