"""Diagnoses, how dangerous they are, and the views (seven-class, binary) that derive from them.

The built-in tree has the eight leaves of ISIC 2019. A bundle declares its own leaves, so another list of
diagnoses (six tumours, nine classes) is data, not code.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

import msgspec

from epiluma.errors import EpilumaError

Urgency = Literal["urgent", "soon", "routine", "none"]


class UnknownDiagnosis(EpilumaError):
    """A label that the taxonomy does not contain."""

    def __init__(self, label: str, known: list[str]) -> None:
        near = difflib.get_close_matches(label.lower(), [name.lower() for name in known], n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        super().__init__(f"unknown diagnosis {label!r}{hint}")
        self.label = label


class TaxonomyError(EpilumaError):
    """A file that holds no taxonomy; the message names the file and the key."""


class Diagnosis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leaf: one diagnosis that a model can give a probability to."""

    code: str
    name: str
    name_zh: str
    malignant: bool
    urgency: Urgency
    plain: str = ""
    """The name that a patient knows, in English."""
    plain_zh: str = ""
    synonyms: tuple[str, ...] = ()
    parent: str = ""
    """Code of the seven-class group that contains this leaf; empty when it is its own group."""

    @property
    def group(self) -> str:
        """Code of the group in the grouped ("seven-class") view."""
        return self.parent or self.code


class Taxonomy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ordered list of leaves; the order is the order of a model's outputs."""

    leaves: tuple[Diagnosis, ...]

    def __post_init__(self) -> None:
        codes = [leaf.code for leaf in self.leaves]
        if not codes:
            raise ValueError("a taxonomy needs at least one diagnosis")
        if repeated := {code for code in codes if codes.count(code) > 1}:
            raise ValueError(f"taxonomy names a diagnosis twice: {', '.join(sorted(repeated))}")

    @property
    def codes(self) -> tuple[str, ...]:
        """Leaf codes, in output order."""
        return tuple(leaf.code for leaf in self.leaves)

    @property
    def malignant(self) -> tuple[bool, ...]:
        """For each leaf, whether it counts as malignant in the binary view."""
        return tuple(leaf.malignant for leaf in self.leaves)

    @property
    def groups(self) -> tuple[str, ...]:
        """Codes of the grouped view (seven classes for the built-in taxonomy), in first-seen order."""
        return tuple(dict.fromkeys(leaf.group for leaf in self.leaves))

    @property
    def group_of_leaf(self) -> tuple[int, ...]:
        """For each leaf, its index in `groups`."""
        groups = self.groups
        return tuple(groups.index(leaf.group) for leaf in self.leaves)

    def __getitem__(self, code: str) -> Diagnosis:
        for leaf in self.leaves:
            if leaf.code == code:
                return leaf
        raise UnknownDiagnosis(code, list(self.codes))

    def index(self, code: str) -> int:
        """Position of a leaf in the model's output. Raises UnknownDiagnosis."""
        return self.leaves.index(self[code])

    def find(self, label: str) -> Diagnosis:
        """The leaf whose code, name or synonym equals `label`, ignoring case. Raises UnknownDiagnosis."""
        wanted = label.strip().casefold()
        for leaf in self.leaves:
            names = (leaf.code, leaf.name, leaf.name_zh, leaf.plain, leaf.plain_zh, *leaf.synonyms)
            if wanted and wanted in {name.casefold() for name in names}:
                return leaf
        raise UnknownDiagnosis(label, [name for leaf in self.leaves for name in (leaf.code, leaf.name, *leaf.synonyms)])


def load(path: Path) -> Taxonomy:
    """A taxonomy of one's own: a TOML file with a `[[leaves]]` table for each diagnosis, in the order of the outputs.

    Raises TaxonomyError that names the file and the key.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Taxonomy)
    except OSError as error:
        raise TaxonomyError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise TaxonomyError(f"{path}: {error}") from error


ISIC_2019 = Taxonomy(
    leaves=(
        Diagnosis(
            code="MEL", name="Melanoma", name_zh="黑色素瘤", malignant=True, urgency="urgent",
            plain="melanoma, a serious skin cancer", plain_zh="黑色素瘤（一种严重的皮肤癌）",
            synonyms=("mel", "malignant melanoma", "melanoma in situ", "lentigo maligna"),
        ),
        Diagnosis(
            code="NV", name="Melanocytic nevus", name_zh="色素痣", malignant=False, urgency="none",
            plain="mole", plain_zh="普通的痣",
            synonyms=("nv", "nev", "nevus", "naevus", "mole", "melanocytic naevus"),
        ),
        Diagnosis(
            code="BCC", name="Basal cell carcinoma", name_zh="基底细胞癌", malignant=True, urgency="soon",
            plain="basal cell skin cancer, slow-growing", plain_zh="基底细胞癌（生长缓慢的皮肤癌）",
            synonyms=("bcc", "basalioma"),
        ),
        Diagnosis(
            code="AK", name="Actinic keratosis", name_zh="光化性角化病", malignant=True, urgency="soon",
            plain="sun-damaged patch that can turn into cancer", plain_zh="可能癌变的日光损伤斑",
            synonyms=("ak", "ack", "solar keratosis"), parent="AKIEC",
        ),
        Diagnosis(
            code="BKL", name="Benign keratosis", name_zh="良性角化病", malignant=False, urgency="none",
            plain="harmless age spot or wart-like growth", plain_zh="良性老年斑或疣状增生",
            synonyms=("bkl", "sek", "seborrheic keratosis", "seborrhoeic keratosis", "solar lentigo",
                      "lichen planus-like keratosis", "lichenoid keratosis"),
        ),
        Diagnosis(
            code="DF", name="Dermatofibroma", name_zh="皮肤纤维瘤", malignant=False, urgency="none",
            plain="harmless firm bump", plain_zh="良性硬结",
            synonyms=("df", "fibrous histiocytoma"),
        ),
        Diagnosis(
            code="VASC", name="Vascular lesion", name_zh="血管性病变", malignant=False, urgency="none",
            plain="harmless blood-vessel mark", plain_zh="良性血管斑",
            synonyms=("vasc", "angioma", "haemangioma", "hemangioma", "angiokeratoma", "pyogenic granuloma"),
        ),
        Diagnosis(
            code="SCC", name="Squamous cell carcinoma", name_zh="鳞状细胞癌", malignant=True, urgency="urgent",
            plain="squamous cell skin cancer", plain_zh="鳞状细胞癌（一种皮肤癌）",
            synonyms=("scc", "bowen's disease", "intraepithelial carcinoma"), parent="AKIEC",
        ),
    )
)  # fmt: skip
"""The eight diagnoses of ISIC 2019. AK is premalignant; it is counted as malignant here, and every binary
view says so. Its group AKIEC (AK + SCC) gives the seven classes of HAM10000 and ISIC 2018."""

BINARY_NOTE = "Malignant counts melanoma, basal and squamous cell carcinoma, and actinic keratosis (premalignant)."
BINARY_NOTE_ZH = "“恶性”包括黑色素瘤、基底细胞癌、鳞状细胞癌，以及属于癌前病变的光化性角化病。"
