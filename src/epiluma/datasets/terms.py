"""What the owner of a folder or a table states once, in a TOML beside it: modality, licence, labels.

Neither is ever guessed: a dermoscope and a telephone see different things, and a licence binds whoever trains.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from epiluma.datasets import fields
from epiluma.datasets.record import DataError
from epiluma.taxonomy import ISIC_2019, Taxonomy, UnknownDiagnosis
from epiluma.taxonomy import load as load_taxonomy

MODALITIES = ("dermoscopy", "clinical")


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Contents of `labels.toml` or `dataset.toml`; all of it is optional."""

    modality: str = ""
    """`dermoscopy` or `clinical`."""
    licence: str = ""
    attribution: str = ""
    labels: dict[str, str] = {}
    """The owner's label -> leaf code, or an empty string for one that is out of scope."""
    ignore: list[str] = []
    """Folders or columns that are known to mean nothing here."""
    taxonomy: str = ""
    """TOML file with the owner's own diagnoses, relative to this file; empty for the eight of ISIC 2019."""
    diagnoses: Taxonomy = ISIC_2019
    """What `taxonomy` holds; not a key of the file."""


_KEYS = tuple(name for name in Terms.__struct_fields__ if name != "diagnoses")


def read(path: Path) -> Terms:
    """The terms in a file, or empty ones where there is no file.

    Raises DataError that names the file, the key and the nearest known one, or TaxonomyError.
    """
    if not path.is_file():
        return Terms()
    try:
        tree = msgspec.toml.decode(path.read_bytes())
        if unknown := sorted(set(tree) - set(_KEYS)):
            raise DataError(f"{path}: unknown key {unknown[0]!r}; {_nearest(unknown[0], _KEYS)}")
        terms = msgspec.convert(tree, Terms)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error
    if terms.modality and terms.modality not in MODALITIES:
        raise DataError(f"{path}: modality {terms.modality!r} is neither {' nor '.join(MODALITIES)}")
    if terms.taxonomy:
        terms = msgspec.structs.replace(terms, diagnoses=load_taxonomy(path.parent / terms.taxonomy))
    codes = terms.diagnoses.codes
    for label, code in terms.labels.items():
        if code and code not in codes:
            hint = _nearest(code, codes)
            raise DataError(f"{path}: labels: {label!r} = {code!r} is no leaf code; {hint}; empty is out of scope")
    return terms


def leaf_of(label: str, terms: Terms) -> str:
    """Leaf code of a label: by the owner's own mapping, else by the taxonomy's codes, names and synonyms.

    `basal_cell_carcinoma` and `basal-cell-carcinoma` are read as `basal cell carcinoma`. Raises UnmappedLabel that
    names the nearest known labels, or OutOfScope.
    """
    wanted = label.strip().casefold()
    own = {name.strip().casefold(): code or None for name, code in terms.labels.items()}
    if wanted in own:
        return fields.leaf_of(label, own)
    for spelling in (wanted, wanted.replace("_", " ").replace("-", " ")):
        try:
            return terms.diagnoses.find(spelling).code
        except UnknownDiagnosis:
            continue
    names = [name for leaf in terms.diagnoses.leaves for name in (leaf.code, leaf.name, *leaf.synonyms)]
    raise fields.UnmappedLabel(label, {name.casefold() for name in [*names, *own]})


def malignant(leaf: str, terms: Terms) -> bool | None:
    """What the owner's own taxonomy says of a leaf; None for the built-in one, which everybody can ask."""
    return terms.diagnoses[leaf].malignant if terms.taxonomy and leaf else None


def source_of(root: Path) -> str:
    """Name of a set that nobody published: its folder's, or its archive's."""
    return root.resolve().name.removesuffix(".unpacked")


def _nearest(given: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given.casefold(), [name.casefold() for name in known], n=1, cutoff=0.6)
    return f"nearest: {next(n for n in known if n.casefold() == near[0])}" if near else f"known are {', '.join(known)}"
