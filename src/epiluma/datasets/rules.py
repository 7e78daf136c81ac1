"""The rules of curation: one frozen, typed tree, read once from one TOML file; the defaults exclude little."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from epiluma.datasets.record import DataError
from epiluma.imaging import quality

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Level = Annotated[float, msgspec.Meta(ge=0, le=255)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the rules' parts."""


class Quality(_Part, frozen=True, kw_only=True):
    """An image beyond one of these bounds is left out of every part; a measure that is missing excludes nothing."""

    min_side: Count = quality.MIN_SIDE
    """Pixels of the shorter side."""
    min_sharpness: NotNegative = quality.MIN_SHARPNESS
    min_contrast: NotNegative = quality.MIN_CONTRAST
    min_brightness: Level = quality.MIN_BRIGHTNESS
    max_brightness: Level = quality.MAX_BRIGHTNESS
    max_clipped_dark: Share = 0.25
    """Share of pixels without any light."""
    max_clipped_bright: Share = 0.25
    """Share of pixels at full light."""
    max_border: Share = 0.5
    """Share of the frame under flat bars."""
    min_lesion_share: Share = 0.0
    """Share of the frame that the lesion covers at least: less is too far away."""
    max_lesion_share: Share = 1.0
    max_lesion_touches: Share = 1.0
    """Share of the frame's edge that the lesion touches at most: more is cut off."""


FlagName = Literal["hair", "ruler", "ink", "dark_corners"]


class Flags(_Part, frozen=True, kw_only=True):
    """From which measure on an image is flagged, and which flags leave it out."""

    hair: Share = 0.05
    ruler: Share = 0.5
    ink: Share = 0.005
    dark_corners: Share = 0.02
    exclude: tuple[FlagName, ...] = ()


class Balance(_Part, frozen=True, kw_only=True):
    """What becomes of the classes in training."""

    cap: Count = 0
    """Most images of a class; 0 caps none."""
    caps: dict[str, Count] = {}
    """The same for single classes, by code; goes before `cap`."""
    repeat_power: Share = 0.0
    """An image of a class of n is drawn round((largest / n)^power) times as often as one of the largest."""
    max_repeats: Annotated[int, msgspec.Meta(ge=1)] = 20
    weight: Literal["none", "inverse", "effective"] = "none"
    """Share of the loss: the inverse of a class's frequency to a power, or of its effective number of samples
    (1 - beta^n) / (1 - beta), Cui et al. 2019, doi:10.1109/CVPR.2019.00949."""
    weight_power: Share = 1.0
    beta: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.999


class Rules(_Part, frozen=True, kw_only=True):
    """Everything that decides a curation."""

    seed: Count = 0
    """Which photos a cap keeps."""
    quality: Quality = Quality()
    flags: Flags = Flags()
    balance: Balance = Balance()
    augmentation: dict[str, str] = {}
    """Class code -> name of its augmentation recipe."""


def load(path: Path) -> Rules:
    """Read rules from TOML. Raises DataError that names the key and, for an unknown one, the nearest known."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Rules)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {_with_nearest(str(error))}") from error


def _with_nearest(message: str) -> str:
    """Add the nearest known key to msgspec's "unknown field" message."""
    unknown = re.search(r"unknown field `(\w+)`", message)
    if not unknown:
        return message
    known = {field for part in (Rules, Quality, Flags, Balance) for field in part.__struct_fields__}
    near = difflib.get_close_matches(unknown.group(1), sorted(known), n=1, cutoff=0.4)
    return f"{message}; did you mean `{near[0]}`?" if near else message
