"""What lies on a photo and is not skin: hair, a ruler, marker ink, the dark surround of the tube, flat bars.

Simple image processing that says "look here" over thousands of photos; none of it is good enough to judge one photo
by. Everything works on a frame of bounded size (`working_frame`), so that widths given in pixels mean the same on
every photo. Bounds were set by eye on published dermoscopy and smartphone photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Frame = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""
Grey = npt.NDArray[np.uint8]
"""(H, W)."""
Mask = npt.NDArray[np.bool_]
"""(H, W)."""

SIDE = 256
"""Shorter side of the working frame, pixels; a smaller photo is left as it is."""

LONGEST = 1024
"""Longer side of the working frame of a strip, pixels."""

HAIR_WIDTH = 9
"""Dark lines narrower than this many pixels are hair; DullRazor uses 11 on photos twice as large."""
HAIR_DEPTH = 16
"""How much darker than the skin on both sides, grey levels."""
HAIR_WINDOW = 11
"""Side of the square, pixels, in which a hair must lie one way."""
HAIR_COHERENCE = 0.6
"""Least coherence in that square, 0 to 1."""
HAIR_LENGTH = 24
"""Shortest hair, pixels."""
INK_AREA = 0.001
"""Smallest blot of ink, share of the frame."""
INK_DISTANCE = 14
"""How much bluer or greener than the middle colour of the frame, CIELAB units."""
BLACK = 48
"""A dark surround is at or below this level in all channels."""
FLAT = 10
"""Range of the levels along a row or column of a flat bar; JPEG ripples by that much."""
TICK_ANGLES = 12
"""Directions in which a ruler is looked for: every 15 degrees; ticks are short enough to bear half of that."""
TICK_SPACING = (4, 20)
"""Pixels of the working frame between two ticks, least and most."""
TICK_STRETCH = 80
"""Length along which ticks must be regular, pixels: four of the widest spacing."""
TICK_WIDTH, TICK_LENGTH = 5, 7
"""Pixels: marks narrower than the one are summed over the other."""
TICK_DEPTH = 20
"""Grey levels by which a tick is darker than its surroundings."""
TICK_PIXELS = 40
"""Fewer pixels as dark as that are no ruler: five ticks have about 50."""
TICK_SPREAD = 6.0
"""Standard deviation of a profile, grey levels, from which on it counts in full."""
STRETCHES = 32
"""How many stretches of the strongest marks are looked at in each direction: a bound on the time."""


@dataclass(frozen=True)
class Artefacts:
    """What was found on one frame."""

    hair: Mask
    ink: Mask
    dark_corners: Mask
    ruler: float
    """0 to 1, see `find_ruler`."""
    border: float
    """Share of the frame, see `find_border`."""


def working_frame(photo: Image.Image) -> Frame:
    """The whole upright RGB photo, shorter side at most 256 pixels and longer at most 1024, by area averaging."""
    pixels = np.asarray(photo)
    scale = min(SIDE / min(photo.size), LONGEST / max(photo.size))
    if scale >= 1:
        return pixels
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_artefacts(frame: Frame) -> Artefacts:
    """All of them, on a working frame."""
    surround = find_dark_corners(frame)
    return Artefacts(
        hair=find_hair(frame) & ~_widened(surround, 5),
        ink=find_ink(frame) & ~surround,
        dark_corners=surround,
        ruler=find_ruler(frame),
        border=find_border(frame),
    )


def find_hair(frame: Frame) -> Mask:
    """Thin, long, dark lines, after DullRazor (Lee et al. 1997, doi:10.1016/S0010-4825(97)00020-6).

    A closing along a line fills a dark line that crosses it, and the largest filling over four directions minus the
    photo is high on lines and on dots. Kept is what lies one way (coherence of the structure tensor, Bigun and
    Granlund 1987) and makes long pieces, which leaves out dots and most meshes of pigment. White hair is not found;
    a ruler, thin ink lines and, on close photos, furrowed skin partly are.
    """
    grey = _grey(frame)
    highest = grey
    for kernel in _LINES:
        highest = np.asarray(cv2.max(highest, cv2.morphologyEx(grey, cv2.MORPH_CLOSE, kernel)), np.uint8)
    depth = cv2.subtract(highest, grey)
    dark = depth >= HAIR_DEPTH
    if not dark.any():
        return dark
    lines = (dark & (_coherence(np.asarray(depth, np.float32)) >= HAIR_COHERENCE)).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    keep = np.hypot(facts[:, cv2.CC_STAT_WIDTH], facts[:, cv2.CC_STAT_HEIGHT]) >= HAIR_LENGTH
    keep[0] = False  # the background
    return np.asarray(keep[labels], bool)


def _coherence(field: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(H, W) how much all slopes around each pixel lie one way: 0 in all directions alike, 1 in one only."""
    across, down = (cv2.Sobel(field, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.blur(product, (HAIR_WINDOW,) * 2) for product in (across * across, down * down, across * down))
    return np.asarray(cv2.magnitude(xx - yy, 2 * xy) / (xx + yy + 1e-3), np.float32)


def find_ink(frame: Frame) -> Mask:
    """Blue, violet or green of a surgical marker: saturated, and far bluer or greener than the photo's middle colour.

    Measured from the middle colour because many photos are tinted as a whole. A blue-white veil is greyer than that;
    blue cloth and gloves are not told from ink, and black ink is not found.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2HSV))
    cold = (hue >= 35) & (hue <= 140) & (saturation >= 80) & (value >= 80)  # hue in OpenCV's half degrees
    if not cold.any():
        return cold
    _, a, b = cv2.split(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB))
    redder, yellower = (plane.astype(np.int16) - int(np.median(plane[::4, ::4])) for plane in (a, b))
    blue, green = yellower <= -INK_DISTANCE, redder <= -2 * INK_DISTANCE
    found = (cold & (blue | green)).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    keep = facts[:, cv2.CC_STAT_AREA] >= INK_AREA * found.size
    keep[0] = False
    return np.asarray(keep[labels], bool)


def find_dark_corners(frame: Frame) -> Mask:
    """The black surround of the dermatoscope's tube: dark all the way from a corner of the frame."""
    red, green, blue = cv2.split(frame)
    dark = (cv2.max(cv2.max(red, green), blue) <= BLACK).astype(np.uint8)
    corners = ([0, 0, -1, -1], [0, -1, 0, -1])
    if not dark[corners].any():
        return np.zeros(dark.shape, bool)
    count, labels = cv2.connectedComponents(dark, connectivity=4)
    keep = np.zeros(count, bool)
    keep[labels[corners]] = True
    keep[0] = False  # the background
    return np.asarray(keep[labels], bool)


def find_border(frame: Frame) -> float:
    """Share of the frame under bars of one flat colour along its edges (letterbox); 1 when all of it is flat."""
    height, width = frame.shape[:2]
    top, bottom = (_flat_rows(view) for view in (frame, frame[::-1]))
    if top == height:
        return 1.0
    inner = frame[top : height - bottom].transpose(1, 0, 2)
    left, right = (_flat_rows(view) for view in (inner, inner[::-1]))
    return float(1 - (height - top - bottom) * (width - left - right) / (height * width))


def _flat_rows(view: Frame) -> int:
    """How many rows from the first on are flat and of the first row's colour."""
    first = view[0].mean(axis=0)
    for i, row in enumerate(view):
        if int(np.ptp(row, axis=0).max()) > FLAT or float(np.abs(row.mean(axis=0) - first).max()) > FLAT:
            return i
    return len(view)


def find_ruler(frame: Frame) -> float:
    """How clearly equally spaced dark ticks lie along one line, 0 to 1: an autocorrelation, at its best place.

    In each of twelve directions, narrow dark marks are averaged over a tick's length; a stretch of that profile
    counts when it looks the same one and two spacings further, and not half a spacing further. Printed scales reach
    0.6 and more, combed hair stays below 0.5, plain skin below 0.2.
    """
    grey = _grey(frame)
    marks = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((TICK_WIDTH, TICK_WIDTH), np.uint8))
    if np.count_nonzero(marks >= TICK_DEPTH) < TICK_PIXELS:  # smooth skin
        return 0.0
    return max(_regularity(_turned(grey, step * 180 / TICK_ANGLES)) for step in range(TICK_ANGLES))


def _turned(grey: Grey, degrees: float) -> Grey:
    if degrees == 0:
        return grey
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _regularity(grey: Grey) -> float:
    """The best stretch of the rows of a frame, turned so that ticks would stand upright."""
    if min(grey.shape) < TICK_STRETCH:
        return 0.0
    marks = cv2.subtract(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((1, TICK_WIDTH), np.uint8)), grey)
    rows = cv2.blur(marks, (1, TICK_LENGTH))
    # Ticks end; a hair goes on above or below, further to the side the more it slants.
    reach = TICK_LENGTH + TICK_WIDTH
    beyond = cv2.dilate(rows, np.ones((1, 2 * reach + 1), np.uint8))
    rows = cv2.subtract(rows[reach:-reach], cv2.max(beyond[: -2 * reach], beyond[2 * reach :]))
    rows = rows[:: TICK_LENGTH // 2]
    rows = rows[(rows >= TICK_DEPTH // 2).sum(axis=1) >= 3].astype(np.float32)
    if not len(rows):
        return 0.0
    stretches = np.lib.stride_tricks.sliding_window_view(rows, TICK_STRETCH, axis=1)[:, :: TICK_STRETCH // 4]
    stretches = stretches.reshape(-1, TICK_STRETCH)
    spread = stretches.std(axis=1)
    best = np.argsort(spread)[-STRETCHES:]
    return float((_repetition(stretches[best]) * np.minimum(spread[best] / TICK_SPREAD, 1)).max())


def _repetition(stretches: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(k, L) profiles -> (k,) how alike each is to itself at one and two spacings, less at half and one and a half."""
    length = stretches.shape[1]
    centred = stretches - stretches.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, 2 * length, axis=1)) ** 2
    shifted = np.fft.irfft(power, axis=1)[:, :length] * (length / np.arange(length, 0, -1))
    alike = shifted / np.maximum(shifted[:, :1], 1e-6)
    spacing = np.arange(TICK_SPACING[0], TICK_SPACING[1] + 1)
    # A spacing is no whole number of pixels, so the second repetition may be one off.
    twice = np.maximum.reduce([alike[:, 2 * spacing + off] for off in (-1, 0, 1)])
    between = np.maximum(alike[:, spacing // 2], alike[:, spacing + spacing // 2])
    score = np.minimum(alike[:, spacing], twice) - np.maximum(between, 0)
    return np.asarray(np.clip(score, 0, 1).max(axis=1), np.float64)


def _grey(frame: Frame) -> Grey:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)


def _widened(mask: Mask, pixels: int) -> Mask:
    if not mask.any():
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), bool)


def _line(length: int, degrees: float) -> npt.NDArray[np.uint8]:
    """A line of about that many pixels through the middle of a square."""
    reach = length // 2
    along, down = reach * np.cos(np.deg2rad(degrees)), reach * np.sin(np.deg2rad(degrees))
    square = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    ends = [(round(reach + sign * along), round(reach - sign * down)) for sign in (-1, 1)]
    return np.asarray(cv2.line(square, ends[0], ends[1], 1), np.uint8)


_LINES = [_line(HAIR_WIDTH, degrees) for degrees in (0, 45, 90, 135)]
