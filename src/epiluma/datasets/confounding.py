"""What gives the class away without looking at the lesion: a column of the table, the file, the source, the frame.

Each suspect alone predicts the class; five folds that keep groups whole; balanced accuracy against chance, with an
interval over groups. A model trained on such a set can score well by the suspect and fail everywhere else
(Zech et al. 2018, doi:10.1371/journal.pmed.1002683; Bissoto et al. 2019, doi:10.1109/CVPRW.2019.00335).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.datasets import groups, split
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.manifest import Entry
from epiluma.evaluation import intervals, metrics

LEAST_GROUPS = 10
"""A class with fewer groups is not asked about: its folds would hold one or two."""
MOST_IMAGES = 500
"""Images of a class that are asked about, drawn by seed: enough for an interval of a few points, and quick."""
TELLING = 0.10
"""A suspect is reported when the interval's lower end is this share of the way from chance to its ceiling."""
_FOLDS = 5
_REPLICATES = 500
_TREES = 30

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


class Tell(msgspec.Struct, frozen=True, kw_only=True):
    """How well one suspect alone tells the class (or the source)."""

    suspect: str
    kind: str
    """`column` (one value of the table, by a rule per value) or `pixels` (a small forest on measurements)."""
    of: str
    """What is told: `class` or `source`."""
    score: float
    """Balanced accuracy, cross-validated."""
    lower: float
    upper: float
    """95% interval, groups resampled."""
    chance: float
    ceiling: float
    """What a suspect of so few values can reach at most: two sources name two of eight classes, 0.25."""
    information: float | None = None
    """Normalised mutual information of column and class, 0 to 1; None for pixels."""
    images: int
    classes: tuple[str, ...]

    @property
    def telling(self) -> bool:
        """Whether it is clearly better than chance: see `TELLING`."""
        return self.lower > self.chance + TELLING * max(self.ceiling - self.chance, 0)

    def __str__(self) -> str:
        told = f"balanced accuracy {self.score:.2f} [{self.lower:.2f}, {self.upper:.2f}]"
        told += f", chance {self.chance:.2f}, ceiling {self.ceiling:.2f}"
        shared = "" if self.information is None else f", mutual information {self.information:.2f}"
        return f"{self.suspect} alone tells the {self.of}: {told}{shared}, {self.images} images"


@dataclass(frozen=True)
class _Question:
    """Images whose class (or source) is to be told, n of them."""

    of: str
    rows: Ints
    """(n,) index of the entry."""
    truth: Ints
    """(n,) index into `names`."""
    names: tuple[str, ...]
    group: Ints
    """(n,)"""
    fold: Ints
    """(n,)"""


def tells(
    entries: Sequence[Entry], inspections: Inspections, members: Sequence[list[int]], sizes: Ints, *, seed: int = 0
) -> list[Tell]:
    """Every suspect that varies: columns first, then measurements.

    `members` are the groups of the entries that take part, by index; `sizes` (n,) bytes of each file. Nothing is
    asked when fewer than two classes have `LEAST_GROUPS` groups.
    """
    readable = [[i for i in group if not inspections.error[i]] for group in members]
    label = np.array([groups.class_of(entry.sample) for entry in entries], dtype=object)
    source = np.array([entry.sample.source for entry in entries], dtype=object)
    suspects = columns(entries, inspections, sizes)
    found = []
    if question := _ask("class", label, readable, seed):
        found += [t for name, values in suspects.items() if (t := _by_column(question, name, values))]
        for name, features in measurements(inspections).items():
            if len(np.unique(features[question.rows], axis=0)) > 1:
                found.append(_by_forest(question, name, features))
    if question := _ask("source", source, readable, seed):
        found.append(_by_forest(question, "8 x 8 pixels", _tiny(inspections)))
    return found


def columns(entries: Sequence[Entry], inspections: Inspections, sizes: Ints) -> dict[str, list[str]]:
    """Suspect columns: name -> a value per entry, as text."""
    samples = [entry.sample for entry in entries]
    edges = np.quantile(sizes, np.linspace(0.1, 0.9, 9)) if len(sizes) else sizes
    return {
        "confirmation": [s.confirmation for s in samples],
        "site": [s.site for s in samples],
        "age": [str(s.age) for s in samples],
        "sex": [s.sex for s in samples],
        "skin type": [str(s.skin_type) for s in samples],
        "source": [s.source for s in samples],
        "modality": [s.modality for s in samples],
        "licence": [s.licence for s in samples],
        "geometry": [s.geometry for s in samples],
        "image size": [f"{w}x{h}" for w, h in zip(inspections.width, inspections.height, strict=True)],
        "file-name prefix": [re.sub(r"\d.*", "", s.path.name) for s in samples],
        "file size": [f"tenth {tenth}" for tenth in np.searchsorted(edges, sizes)],
    }


def measurements(inspections: Inspections) -> dict[str, Floats]:
    """Suspect measurements: name -> (n, d), none of which sees the lesion's shape."""
    width, height = inspections.width.astype(float), inspections.height.astype(float)
    pixels = inspections.thumbs
    corners = [pixels[:, rows, columns].mean((1, 2, 3)) for rows in _ENDS for columns in _ENDS]
    frame = [
        inspections.measures[name].astype(float) for name in ("dark_corners", "border") if name in inspections.measures
    ]
    return {
        "size": np.column_stack([width, height, width / np.maximum(height, 1)]),
        "colour cast (mean RGB)": pixels.mean((1, 2)),
        "border and corners": np.nan_to_num(np.column_stack([*corners, *frame]), nan=-1.0),
    }


_ENDS = (slice(0, 4), slice(-4, None))


def _tiny(inspections: Inspections) -> Floats:
    """(n, 192) the thumbnails at 8 x 8."""
    n, side = len(inspections), inspections.thumbs.shape[1] // 8
    blocks = inspections.thumbs.reshape(n, 8, side, 8, side, 3)
    tiny: Floats = blocks.mean((2, 4)).reshape(n, -1)
    return tiny


def few(entries: Sequence[Entry], members: Sequence[list[int]]) -> dict[str, int]:
    """Classes with too few groups to be asked about, with their images."""
    label = np.array([groups.class_of(entry.sample) for entry in entries], dtype=object)
    enough = _enough(label, members)
    images = [label[i] for group in members for i in group if label[i]]
    return {name: images.count(name) for name in sorted(set(images) - enough)}


def _enough(label: npt.NDArray[Any], members: Sequence[list[int]]) -> set[str]:
    seen: dict[str, int] = {}
    for group in members:
        for name in {label[i] for i in group} - {""}:
            seen[name] = seen.get(name, 0) + 1
    return {name for name, count in seen.items() if count >= LEAST_GROUPS}


def _ask(of: str, label: npt.NDArray[Any], members: Sequence[list[int]], seed: int) -> _Question | None:
    """At most MOST_IMAGES of each label, in folds by group; None when there are not two labels to tell apart."""
    names = tuple(sorted(_enough(label, members)))
    if len(names) < 2:
        return None
    random = np.random.default_rng(seed)
    everyone = np.array([i for group in members for i in group], np.intp)
    chosen: set[int] = set()
    for name in names:
        pool = everyone[label[everyone] == name]
        chosen |= set(random.permutation(pool)[:MOST_IMAGES].tolist())
    kept = [left for group in members if (left := [i for i in group if i in chosen])]
    shares = split.folds(_FOLDS)
    parts = split.deal(kept, list(label), shares=shares, seed=seed)
    number = {part: k for k, part in enumerate(shares)}
    rows = np.array([i for group in kept for i in group], np.intp)
    sizes = [len(group) for group in kept]
    truth = np.array([names.index(label[i]) for i in rows], np.intp)
    fold = np.repeat([number[part] for part in parts], sizes)
    return _Question(of, rows, truth, names, np.repeat(np.arange(len(kept)), sizes), fold)


def _by_column(question: _Question, suspect: str, values: Sequence[str]) -> Tell | None:
    """None for a column that says the same of all."""
    from sklearn.metrics import normalized_mutual_info_score

    found, value = np.unique([values[i] for i in question.rows], return_inverse=True)
    if len(found) < 2:
        return None
    predicted = np.zeros(len(value), np.intp)
    for k in range(_FOLDS):
        known, asked = question.fold != k, question.fold == k
        predicted[asked] = rule_per_value(value[known], question.truth[known], len(found), len(question.names))[
            value[asked]
        ]
    information = float(normalized_mutual_info_score(question.truth, value))
    return _tell(question, predicted, len(found), suspect=suspect, kind="column", information=information)


def rule_per_value(value: Ints, truth: Ints, values: int, classes: int) -> Ints:
    """(values,) the class whose images have the value most often, as a share of that class's images.

    By shares, not by counts: the commonest class would win every value and hide what a rare one gives away.
    """
    table = np.zeros((values, classes))
    np.add.at(table, (value, truth), 1)
    best: Ints = (table / np.maximum(table.sum(0), 1)).argmax(1)
    return best


def _by_forest(question: _Question, suspect: str, features: Floats) -> Tell:
    from sklearn.ensemble import RandomForestClassifier

    asked_about = features[question.rows]
    predicted = np.zeros(len(question.rows), np.intp)
    for k in range(_FOLDS):
        known, asked = question.fold != k, question.fold == k
        if not asked.any():
            continue
        forest = RandomForestClassifier(
            _TREES, max_depth=10, min_samples_leaf=5, class_weight="balanced", random_state=0, n_jobs=1
        )
        predicted[asked] = forest.fit(asked_about[known], question.truth[known]).predict(asked_about[asked])
    return _tell(question, predicted, len(np.unique(asked_about, axis=0)), suspect=suspect, kind="pixels")


def _tell(question: _Question, predicted: Ints, values: int, *, information: float | None = None, **facts: str) -> Tell:
    classes = len(question.names)

    def score(weights: Floats | None = None) -> Floats:
        return metrics.balanced_accuracy(question.truth, predicted, classes, weights)

    interval = intervals.bootstrap({"": score}, question.group, stratum=question.truth, replicates=_REPLICATES)[""]
    return Tell(
        of=question.of,
        score=float(score()),
        lower=interval.lower,
        upper=interval.upper,
        chance=1 / classes,
        ceiling=min(values, classes) / classes,
        information=information,
        images=len(question.rows),
        classes=question.names,
        **facts,
    )
