"""The contract between training and running: an ONNX graph with everything needed to use it safely.

A bundle is a folder, or one `.epiluma` file (an uncompressed zip of that folder). It holds `manifest.json`
(canonical JSON), the files that the manifest lists with their SHA-256, and `bundle.id`: the SHA-256 of the
manifest, carried detached. Nothing is read from a bundle before every byte of it has been accounted for.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from epiluma.errors import EpilumaError
from epiluma.taxonomy import Taxonomy

MANIFEST = "manifest.json"
BUNDLE_ID = "bundle.id"
MAX_BYTES = 512 * 1024 * 1024
"""A bundle larger than this is refused unread."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Modality = Literal["dermoscopy", "clinical"]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class BundleError(EpilumaError):
    """A bundle that cannot be trusted or understood; the message names the file and the reason."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every part of the manifest: immutable, and an unknown field is an error."""


class Preprocessing(_Record, frozen=True, kw_only=True):
    """How a photo becomes the network's input: shorter side to `size`, centre crop, scale. RGB, NCHW."""

    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the square input, pixels."""
    mean: tuple[float, float, float]
    """Subtracted from pixel values in [0, 1]."""
    std: tuple[float, float, float]
    """Divides after the mean is subtracted."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


class Calibration(_Record, frozen=True, kw_only=True):
    """How logits become probabilities: softmax(logits / temperature), at the prevalence named here."""

    method: Literal["temperature"]
    temperature: Annotated[float, msgspec.Meta(gt=0)]
    prevalence: tuple[Probability, ...]
    """Share of each leaf at which the probabilities are calibrated, in the taxonomy's order; sums to 1."""
    prevalence_source: str
    n: int
    """Images the temperature was fitted on."""


class DecisionRule(_Record, frozen=True, kw_only=True):
    """How probabilities become one diagnosis: the largest p(k) / prior(k)^prior_power * cost(k)."""

    prior_power: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """0 takes the most probable class; 1 undoes the prevalence fully (best for balanced accuracy)."""
    cost: tuple[float, ...]
    """Relative cost of missing each leaf, in the taxonomy's order; all 1 for balanced accuracy."""


class OperatingPoint(_Record, frozen=True, kw_only=True):
    """The threshold on malignancy risk at or above which a person is referred."""

    name: str
    threshold: Probability
    target: str
    """The rule that set the threshold, in words."""
    sensitivity: Probability
    """Melanoma sensitivity by lesion on the calibration part."""
    sensitivity_lower_bound: Probability
    """One-sided 95% Clopper-Pearson lower bound of `sensitivity`."""
    lesions: int
    """Melanoma lesions in the calibration part."""
    specificity: Probability
    """Share of benign lesions below the threshold, calibration part."""


class KnownAnswer(_Record, frozen=True, kw_only=True):
    """A drawn input and the probabilities that the exported graph gave for it."""

    seed: int
    """Seed of `epiluma.inference.session.known_input`."""
    probabilities: tuple[Probability, ...]


class Provenance(_Record, frozen=True, kw_only=True):
    """Where the weights come from, enough to rebuild them."""

    recipe: str
    """Name of the training recipe."""
    recipe_sha256: str
    data_manifest_sha256: str
    architecture: str
    starting_weights: str
    epiluma_version: str
    training_data: str


class Metric(_Record, frozen=True, kw_only=True):
    """One figure with its interval: a bootstrap by lesion unless the method says otherwise."""

    value: float
    lower: float
    upper: float
    n: int
    """Lesions (or images, when the name says so) behind the figure."""


class Scorecard(_Record, frozen=True, kw_only=True):
    """Figures on the held-out test part, by metric name, for the whole part and for named subsets."""

    part: str
    metrics: dict[str, dict[str, Metric]]
    """subset -> metric -> figure; the subset `all` is always there."""
    command: str
    """The command that prints these figures."""


class FileEntry(_Record, frozen=True, kw_only=True):
    """One file of the bundle."""

    sha256: str
    bytes: int


class Manifest(_Record, frozen=True, kw_only=True):
    """All that a runner needs to know about a bundle."""

    format: Literal[1]
    name: str
    created: str
    """Date, ISO 8601."""
    modality: Modality
    taxonomy: Taxonomy
    graph: str
    """File name of the ONNX graph: input `image` (N,3,S,S) float32, output `logits` (N,leaves) float32 and, where
    photos are to be compared, `features` (N,d) float32."""
    preprocessing: Preprocessing
    views: Literal[1, 4]
    """1: the photo as it is; 4: the logits are averaged over its four mirror images, at four times the cost."""
    calibration: Calibration
    decision: DecisionRule
    operating_point: OperatingPoint
    known_answers: tuple[KnownAnswer, ...]
    scorecard: Scorecard | None
    provenance: Provenance
    licence: str
    licence_note: str
    """What a person must know before using the weights, in one sentence."""
    non_commercial: bool
    files: dict[str, FileEntry]

    def __post_init__(self) -> None:
        leaves = len(self.taxonomy.leaves)
        lengths = {
            "calibration.prevalence": len(self.calibration.prevalence),
            "decision.cost": len(self.decision.cost),
            **{f"known_answers[{i}]": len(answer.probabilities) for i, answer in enumerate(self.known_answers)},
        }
        for where, length in lengths.items():
            if length != leaves:
                raise ValueError(f"{where} has {length} values for {leaves} diagnoses")
        if not self.known_answers:
            raise ValueError("known_answers is empty: a session could not check the graph")
        if self.graph not in self.files:
            raise ValueError(f"graph {self.graph!r} is not among the files")

    def canonical(self) -> bytes:
        """The one byte string that stands for this manifest: sorted keys, no spaces, a final newline."""
        return msgspec.json.encode(self, order="sorted") + b"\n"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, its files in memory."""

    manifest: Manifest
    id: str
    """SHA-256 of the canonical manifest, hexadecimal."""
    files: Mapping[str, bytes]

    @property
    def graph(self) -> bytes:
        """The ONNX graph."""
        return self.files[self.manifest.graph]


def load(path: Path | str) -> Bundle:
    """Read and verify a bundle folder or `.epiluma` file.

    Raises BundleError, naming the file, when a byte is not what the manifest says, a file is missing or
    extra, or the manifest is malformed.
    """
    path = Path(path)
    if path.is_dir():
        return _verify(_read_folder(path))
    if not path.is_file():
        raise BundleError(str(path), "no such bundle (expected a folder or an .epiluma file)")
    return _verify(_read_archive(path))


def build(manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Make a bundle in memory; the manifest's file table is filled in from `files`."""
    entries = {name: FileEntry(sha256=_sha256(data), bytes=len(data)) for name, data in files.items()}
    manifest = msgspec.structs.replace(manifest, files=entries)
    return Bundle(manifest, _sha256(manifest.canonical()), dict(files))


def write(bundle: Bundle, path: Path | str) -> Path:
    """Write a bundle as a folder, or as one file when the name ends in `.epiluma`; replaces the bundle that was there.

    Raises BundleError when the folder holds anything else: nothing but an older bundle is ever deleted.
    """
    path = Path(path)
    contents = _contents(bundle)
    if path.suffix == ".epiluma":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_archive(contents))
        return path
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()) and not (path / BUNDLE_ID).is_file():
        raise BundleError(str(path), "holds files that are no bundle; give an empty or a new folder")
    for stale in path.iterdir():
        if stale.name not in contents:
            stale.unlink()
    for name, data in contents.items():
        (path / name).write_bytes(data)
    return path


def _contents(bundle: Bundle) -> dict[str, bytes]:
    return {**bundle.files, MANIFEST: bundle.manifest.canonical(), BUNDLE_ID: f"{bundle.id}\n".encode()}


def _read_folder(path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.is_symlink():
            raise BundleError(file.name, "not a plain file; a bundle holds only files")
        total += file.stat().st_size
        if total > MAX_BYTES:
            raise BundleError(file.name, f"the bundle is larger than {MAX_BYTES >> 20} MB")
        contents[file.name] = file.read_bytes()
    return contents


def _read_archive(path: Path) -> dict[str, bytes]:
    """Members of an archive. Only the exact bytes that `write` would produce are accepted."""
    if path.stat().st_size > MAX_BYTES:
        raise BundleError(path.name, f"larger than {MAX_BYTES >> 20} MB")
    raw = path.read_bytes()
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > len(raw):
                raise BundleError(path.name, "compressed or overlapping members; a bundle is stored uncompressed")
            for member in members:
                try:
                    contents[member.filename] = archive.read(member)
                except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
                    raise BundleError(member.filename, f"cannot be read ({error})") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(path.name, f"not an intact .epiluma file ({error})") from error
    _verify(contents)  # names the changed member when there is one
    if _archive(contents) != raw:
        raise BundleError(path.name, "the archive around the files was changed")
    return contents


def _archive(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), contents[name])
    return buffer.getvalue()


def _verify(contents: dict[str, bytes]) -> Bundle:
    for required in (MANIFEST, BUNDLE_ID):
        if required not in contents:
            raise BundleError(required, "missing from the bundle")
    raw = contents[MANIFEST]
    bundle_id = _sha256(raw)
    if contents[BUNDLE_ID] != f"{bundle_id}\n".encode():
        raise BundleError(MANIFEST, f"does not match the hash in {BUNDLE_ID}; one of the two was changed")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(MANIFEST, f"cannot be understood ({error})") from error
    if manifest.canonical() != raw:
        raise BundleError(MANIFEST, "is not in canonical form")
    files = {name: data for name, data in contents.items() if name not in (MANIFEST, BUNDLE_ID)}
    for name in files:
        if name not in manifest.files:
            raise BundleError(name, "is not listed in the manifest")
    for name, entry in manifest.files.items():
        if not _SAFE_NAME.fullmatch(name) or name in (MANIFEST, BUNDLE_ID):
            raise BundleError(MANIFEST, f"lists an unusable file name {name!r}")
        if name not in files:
            raise BundleError(name, "missing from the bundle")
        if len(files[name]) != entry.bytes or _sha256(files[name]) != entry.sha256:
            raise BundleError(name, "its SHA-256 differs from the manifest's; the file was changed")
    return Bundle(manifest, bundle_id, files)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
