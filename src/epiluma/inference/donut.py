"""Donut charts of a screening as SVG text, for the web page and the HTML report alike.

Colours are CSS custom properties (`--donut-malignant`, `--donut-benign`, `--donut-others`) with a value for pages that
set none; text takes the page's colour. A triangle marks what is malignant, so that nothing hangs on colour.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from epiluma.inference.result import Screening
from epiluma.taxonomy import BINARY_NOTE, BINARY_NOTE_ZH, Taxonomy

Language = Literal["en", "zh"]
Kind = Literal["malignant", "benign", "others"]
Number = Callable[[float], str]

TOP = 3
"""Diagnoses named in the chart; the rest are summed."""

_WIDTH, _HEIGHT, _CENTRE = 400, 220, (200, 110)
_RADIUS, _STROKE = 60, 26
_LINE, _LABEL_X = 15, 90
"""Height of a line of text, and how far labels stay from the centre, in SVG units (pixels at full size)."""
_GAP = 0.7
"""Between two parts of the ring, percent of its length."""
_COLOURS = {
    "malignant": "var(--donut-malignant, #c2513f)",
    "benign": "var(--donut-benign, #4a82b5)",
    "others": "var(--donut-others, #8a8f96)",
}
_MARKS = {"malignant": "▲ ", "benign": "", "others": ""}
_WORDS = {
    "en": {
        "malignant": "Malignant", "benign": "Benign", "others": "Others",
        "malignancy": "Malignant or benign", "diagnoses": "Most probable diagnoses", "note": BINARY_NOTE, "join": ", ",
    },
    "zh": {
        "malignant": "恶性", "benign": "良性", "others": "其他",
        "malignancy": "恶性还是良性", "diagnoses": "最可能的诊断", "note": BINARY_NOTE_ZH, "join": "，",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part of a ring."""

    name: str
    value: float
    """Share of the ring, 0 to 1."""
    kind: Kind


def percent(value: float) -> str:
    """A probability as a whole percentage, never 0% and never 100%."""
    if value < 0.01:
        return "<1%"
    return ">99%" if value > 0.99 else f"{value:.0%}"


def decimal(value: float) -> str:
    """A probability with two decimals, as doctors read it."""
    return f"{value:.2f}"


def malignancy_donut(
    screening: Screening, taxonomy: Taxonomy, *, language: Language = "en", number: Number = percent
) -> str:
    """SVG: malignant against benign, the malignancy risk in the centre. Raises ValueError for an unjudged photo."""
    words, probabilities = _WORDS[language], _probabilities(screening)
    risk = sum(probabilities[leaf.code] for leaf in taxonomy.leaves if leaf.malignant)
    parts = [Part(words["malignant"], risk, "malignant"), Part(words["benign"], 1 - risk, "benign")]
    return _svg(parts, words["malignancy"], (number(risk), words["malignant"]), words, number)


def diagnosis_donut(
    screening: Screening, taxonomy: Taxonomy, *, language: Language = "en", number: Number = percent
) -> str:
    """SVG: the three most probable diagnoses and the others. Raises ValueError for an unjudged photo."""
    words, probabilities = _WORDS[language], _probabilities(screening)
    ranked = sorted(taxonomy.leaves, key=lambda leaf: -probabilities[leaf.code])
    parts = [
        Part(
            (leaf.name_zh if language == "zh" else "") or leaf.name,
            probabilities[leaf.code],
            "malignant" if leaf.malignant else "benign",
        )
        for leaf in ranked[:TOP]
    ]
    centre = (number(parts[0].value), ranked[0].code)
    if others := ranked[TOP:]:
        parts.append(Part(words["others"], sum(probabilities[leaf.code] for leaf in others), "others"))
    return _svg(parts, words["diagnoses"], centre, words, number)


def _probabilities(screening: Screening) -> dict[str, float]:
    if not screening.probabilities:
        raise ValueError(f"{screening.file}: the photo was not judged, so there is nothing to chart")
    return screening.probabilities


def _svg(parts: Sequence[Part], title: str, centre: tuple[str, str], words: dict[str, str], number: Number) -> str:
    # "Others" is a sum and stays last, however large.
    parts = sorted(parts, key=lambda part: (part.kind == "others", -part.value))
    told = words["join"].join(f"{part.name} {number(part.value)}" for part in parts)
    x, y = _CENTRE
    value, below = map(escape, centre)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="donut" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="inherit" font-size="13" fill="currentColor">'
        f"<title>{escape(title)}</title><desc>{escape(told)}. {escape(words['note'])}</desc>"
        f"{''.join(_ring(parts))}"
        f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="26" font-weight="700">{value}</text>'
        f'<text x="{x}" y="{y + 21}" text-anchor="middle" font-size="12">{below}</text>'
        f"{''.join(_labels(parts, number))}</svg>"
    )


def _ring(parts: Sequence[Part]) -> list[str]:
    """One arc per part, clockwise from the top: a circle of length 100, drawn from `start` on."""
    x, y = _CENTRE
    arcs, start = [], 0.0
    for part in parts:
        length = max(100 * part.value - _GAP, 0.3)  # the smallest part still shows
        arcs.append(
            f'<circle class="{part.kind}" cx="{x}" cy="{y}" r="{_RADIUS}" fill="none" '
            f'stroke="{_COLOURS[part.kind]}" stroke-width="{_STROKE}" pathLength="100" '
            f'stroke-dasharray="{length:.2f} {100 - length:.2f}" stroke-dashoffset="{-start:.2f}" '
            f'transform="rotate(-90 {x} {y})"/>'
        )
        start += 100 * part.value
    return arcs


def _labels(parts: Sequence[Part], number: Number) -> list[str]:
    """Name and value of each part, outside the ring on its side, without overlap, with a line to its arc."""
    sides: dict[int, list[tuple[float, float, list[str]]]] = {1: [], -1: []}
    start = 0.0
    for part in parts:
        angle = 2 * math.pi * (start + part.value / 2)
        start += part.value
        side = 1 if math.sin(angle) >= 0 else -1
        lines = [*_wrapped(part.name), _MARKS[part.kind] + number(part.value)]
        sides[side].append((_CENTRE[1] - (_LABEL_X - 8) * math.cos(angle), angle, lines))
    svg = []
    for side, labels in sides.items():
        labels.sort()
        tops = _spread([(wanted, _LINE * len(lines)) for wanted, _, lines in labels])
        for top, (_, angle, lines) in zip(tops, labels, strict=True):
            svg.append(_label(side, top, angle, lines))
    return svg


def _label(side: int, top: float, angle: float, lines: list[str]) -> str:
    x = _CENTRE[0] + side * _LABEL_X
    reach = _RADIUS + _STROKE / 2 + 2
    from_x, from_y = _CENTRE[0] + reach * math.sin(angle), _CENTRE[1] - reach * math.cos(angle)
    anchor = "start" if side > 0 else "end"
    spans = "".join(
        f'<tspan x="{x}" dy="{0 if i == 0 else _LINE}"{_BOLD if i == len(lines) - 1 else ""}>{escape(line)}</tspan>'
        for i, line in enumerate(lines)
    )
    middle = top + _LINE * len(lines) / 2
    return (
        f'<path d="M{from_x:.1f} {from_y:.1f}L{x - side * 4} {middle:.1f}" fill="none" stroke="currentColor" '
        f'stroke-opacity=".45"/><text x="{x}" y="{top + 12:.1f}" text-anchor="{anchor}">{spans}</text>'
    )


_BOLD = ' font-weight="700"'


def _spread(wanted: Sequence[tuple[float, float]]) -> list[float]:
    """Tops of blocks, each as near its wanted middle as the blocks above and the chart's edges allow."""
    tops, free = [], 2.0
    for middle, height in wanted:
        tops.append(max(middle - height / 2, free))
        free = tops[-1] + height + 4
    limit = float(_HEIGHT - 2)
    for i in range(len(tops) - 1, -1, -1):
        tops[i] = min(tops[i], limit - wanted[i][1])
        limit = tops[i] - 4
    return tops


def _wrapped(name: str) -> list[str]:
    """A name in at most three lines of the room beside the ring; Chinese characters are twice as wide."""
    wide = any(ord(letter) > 0x2E80 for letter in name)
    return textwrap.wrap(name, 7 if wide else 14, max_lines=3, placeholder="…") or [""]
