"""The data sets that Epiluma can read, by name. Adding one: a module in sources/, a line here, a fixture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from epiluma.datasets import archive
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import (
    bcn20000,
    ddi,
    dermamnist,
    fitzpatrick17k,
    folder,
    ham10000,
    isic2016,
    isic2017,
    isic2018,
    isic2019,
    isic2020,
    isic2024,
    isic_archive,
    padufes20,
    ph2,
    table_csv,
)


class DataSet(NamedTuple):
    """How to read one published set."""

    read: Callable[[Path], Reading]
    licence: str
    citation: str


CATALOG = {
    "csv": DataSet(table_csv.read, "as its table or dataset.toml states", "none: images of one's own"),
    "ddi": DataSet(ddi.read, ddi.LICENCE, "Daneshjou et al. 2022, doi:10.1126/sciadv.abq6147"),
    "dermamnist": DataSet(dermamnist.read, dermamnist.LICENCE, "Yang et al. 2023, doi:10.1038/s41597-022-01721-8"),
    "fitzpatrick17k": DataSet(
        fitzpatrick17k.read, fitzpatrick17k.LICENCE, "Groh et al. 2021, doi:10.48550/arXiv.2104.09957"
    ),
    "folder": DataSet(folder.read, "as labels.toml states", "none: images of one's own"),
    "ham10000": DataSet(ham10000.read, ham10000.LICENCE, "Tschandl et al. 2018, doi:10.1038/sdata.2018.161"),
    "isic2016": DataSet(isic2016.read, isic2016.LICENCE, "Gutman et al. 2016, doi:10.48550/arXiv.1605.01397"),
    "isic2017": DataSet(isic2017.read, isic2017.LICENCE, "Codella et al. 2018, doi:10.1109/ISBI.2018.8363547"),
    "isic2018-task1-2": DataSet(
        isic2018.read_masks,
        isic2018.LICENCE,
        "Codella et al. 2019, doi:10.48550/arXiv.1902.03368; Tschandl et al. 2018, doi:10.1038/sdata.2018.161",
    ),
    "isic2018-task3": DataSet(
        isic2018.read_diagnoses,
        isic2018.LICENCE,
        "Codella et al. 2019, doi:10.48550/arXiv.1902.03368; Tschandl et al. 2018, doi:10.1038/sdata.2018.161",
    ),
    "isic2019": DataSet(
        isic2019.read,
        isic2019.LICENCE,
        "Tschandl et al. 2018, doi:10.1038/sdata.2018.161; Codella et al. 2018, doi:10.1109/ISBI.2018.8363547; "
        "Hernández-Pérez et al. 2024, doi:10.1038/s41597-024-03387-w",
    ),
    "isic2020": DataSet(isic2020.read, isic2020.LICENCE, "Rotemberg et al. 2021, doi:10.1038/s41597-021-00815-z"),
    "isic2024": DataSet(isic2024.read, isic2024.LICENCE, "Kurtansky et al. 2024, doi:10.1038/s41597-024-03743-w"),
    "bcn20000": DataSet(bcn20000.read, bcn20000.LICENCE, "Hernández-Pérez et al. 2024, doi:10.1038/s41597-024-03387-w"),
    "isic-archive": DataSet(
        isic_archive.read,
        isic_archive.LICENCE,
        "each image's attribution; Cassidy et al. 2022, doi:10.1016/j.media.2021.102305",
    ),
    "padufes20": DataSet(padufes20.read, padufes20.LICENCE, "Pacheco et al. 2020, doi:10.1016/j.dib.2020.106221"),
    "ph2": DataSet(ph2.read, ph2.LICENCE, "Mendonça et al. 2013, doi:10.1109/EMBC.2013.6610779"),
}


def folder_of(name: str, root: Path) -> Path:
    """The folder of a set: `root`, or what a ZIP file of it was unpacked to, beside it, once.

    Raises DataError when the set is unknown or the folder is not there.
    """
    if name not in CATALOG:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(sorted(CATALOG))}")
    if root.suffix.casefold() == ".zip" and root.is_file():
        root = archive.folder_of(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the place where {name} lies")
    return root


def inspect(name: str, root: Path) -> Reading:
    """Everything that a catalogued set under `root` holds: its samples, and each row that gave none.

    Raises DataError when the set or its table is not there, or holds nothing.
    """
    root = folder_of(name, root)
    reading = CATALOG[name].read(root)
    if not reading.rows:
        raise DataError(f"{root}: {name} is there, but its table names no image")
    return reading


def read(name: str, root: Path) -> list[Sample]:
    """All samples of a catalogued set under `root`; rows that are out of scope are passed over.

    Raises DataError for a missing image or a broken row: nobody should train on less than he thinks.
    """
    reading = inspect(name, root)
    wrong = [row for row in reading.omitted if row.kind != "out of scope"]
    if wrong:
        more = f" (and {len(wrong) - 1:,} more rows)" if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0].where}: {wrong[0].reason}{more}")
    return reading.samples
