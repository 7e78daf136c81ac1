"""What the tables of the ISIC challenges and of the ISIC Archive have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError

PART = "epiluma_part"
"""Column that `parted` adds to each row; no published table has one of that name."""

_FLAGS = {"0": False, "0.0": False, "1": True, "1.0": True}
_LICENCES = {"CC-0": "CC0 1.0", "CC-BY": "CC BY 4.0", "CC-BY-NC": "CC BY-NC 4.0"}
_CONFIRMED = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
    "single contributor clinical assessment": "",  # one person's opinion confirms nothing
}
_BENIGN_MALIGNANT = {
    "benign": False,
    "malignant": True,
    "indeterminate": None,
    "indeterminate/benign": None,
    "indeterminate/malignant": None,
    "": None,
}


def present(root: Path, candidates: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """For each part, the first of its candidate files that is there; parts without one are left out.

    Raises DataError when no part is there.
    """
    found = {part: path for part, names in candidates.items() if (path := first_file(root, names)) is not None}
    if not found:
        wanted = " or ".join(names[0] for names in candidates.values())
        raise DataError(f"{root}: {wanted} is not there; give the folder that holds it")
    return found


def first_file(root: Path, names: Sequence[str]) -> Path | None:
    """The first of the named files that is there."""
    return next((root / name for name in names if (root / name).is_file()), None)


def nested(*folders: str) -> tuple[str, ...]:
    """Each folder, and one of the same name within: what unpacking a published archive in its own folder gives."""
    return tuple(place for folder in folders for place in (folder, f"{folder}/{folder}"))


def parted(tables: Mapping[str, Iterable[table.Row]]) -> Iterator[table.Row]:
    """The rows of several tables one after the other, each with its part in the column `PART`."""
    for part, rows in tables.items():
        for row in rows:
            yield row._replace(values={**row.values, PART: part})


def by_image(path: Path, columns: set[str], key: str) -> dict[str, dict[str, str]]:
    """The rows of a table that goes with another one, by image id. Raises DataError, also for a second row."""
    found: dict[str, dict[str, str]] = {}
    for row in table.sound_rows(path, columns | {key}):
        image_id = row.values[key]
        if image_id in found:
            raise DataError(f"{row.where}: image {image_id} is named twice")
        found[image_id] = row.values
    return found


def first_mask(root: Path, folders: Iterable[str], name: str) -> Path | None:
    """The first of the folders' masks of that file name."""
    return next((root / folder / name for folder in folders if (root / folder / name).is_file()), None)


def flag(row: Mapping[str, str], column: str) -> bool:
    """A 0/1 column, written `0`, `1`, `0.0` or `1.0`. Raises DataError."""
    if row[column] not in _FLAGS:
        raise DataError(f"{column} must be 0 or 1, not {row[column]!r}")
    return _FLAGS[row[column]]


def one_hot(row: Mapping[str, str], columns: Sequence[str]) -> str:
    """The only one of the 0/1 columns that is 1. Raises DataError when none or several are."""
    chosen = [column for column in columns if flag(row, column)]
    if len(chosen) != 1:
        raise DataError(f"one of {', '.join(columns)} must be 1, not {' and '.join(chosen) or 'none'}")
    return chosen[0]


def licence_of(cell: str) -> str:
    """The licence of one image in the Archive's spelling. Raises DataError for an unknown one."""
    if cell not in _LICENCES:
        raise DataError(f"unknown licence {cell!r}; known are {', '.join(_LICENCES)}")
    return _LICENCES[cell]


def confirmation_of(cell: str) -> str:
    """How the diagnosis was confirmed, as `Sample.confirmation` says it. Raises UnmappedLabel."""
    wanted = fields.known(cell).casefold()
    if wanted and wanted not in _CONFIRMED:
        raise fields.UnmappedLabel(cell, _CONFIRMED)
    return _CONFIRMED.get(wanted, "")


def malignant_of(cell: str) -> bool | None:
    """The Archive's `benign_malignant` or first level of diagnosis; None when indeterminate or not given.

    Raises UnmappedLabel.
    """
    wanted = cell.strip().casefold()
    if wanted not in _BENIGN_MALIGNANT:
        raise fields.UnmappedLabel(cell, [name for name in _BENIGN_MALIGNANT if name])
    return _BENIGN_MALIGNANT[wanted]
