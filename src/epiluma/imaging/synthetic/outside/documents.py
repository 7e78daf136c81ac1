"""Things to read: pages of text, tables, receipts, screens, charts, handwriting, codes."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, strokes, wander
from epiluma.imaging.synthetic.outside.sheet import Painter, Rgb, Sheet, colours, levels, rgb

_LETTERS = np.array(list("aaabcdeeeefghiiijklmnooopqrrsssttttuuvwxyz"))
_INKS: tuple[Rgb, ...] = ((20, 20, 24), (60, 60, 70), (30, 40, 110), (90, 60, 50))


def _paper(random: np.random.Generator) -> Rgb:
    """White, cream, recycled, or of any colour."""
    if random.random() < 0.7:
        return rgb(np.array([244, 240, 230]) - random.uniform(0, 40) * np.array([0.5, 0.7, 1.0]))
    return colours(random, 3)[0]


def _ink(random: np.random.Generator) -> Rgb:
    return _INKS[random.integers(len(_INKS))]


def _words(random: np.random.Generator, count: int) -> str:
    return " ".join("".join(random.choice(_LETTERS, random.integers(2, 10))) for _ in range(count))


def _number(random: np.random.Generator) -> str:
    return f"{random.uniform(0, 999):.2f}"


def page(random: np.random.Generator, shape: Shape) -> Floats:
    """Paragraphs under a heading."""
    sheet, ink = Sheet(shape, _paper(random)), _ink(random)
    height = random.uniform(0.02, 0.07)
    margin, y = random.uniform(0.02, 0.12), random.uniform(0.0, 0.1)
    sheet.text(margin, y, _words(random, 3), ink, height * 1.6)
    y += height * 2.4
    while y < 1:
        for _ in range(random.integers(3, 9)):
            sheet.text(margin, y, _words(random, 22), ink, height)
            y += height * 1.45
        y += height
    sheet.box(1 - margin, 0, 1, 1, _paper(random)) if random.random() < 0.5 else None
    return sheet.pixels()


def table(random: np.random.Generator, shape: Shape) -> Floats:
    """Rows and columns of figures between rules."""
    sheet, ink = Sheet(shape, _paper(random)), _ink(random)
    rows, columns = random.integers(4, 18), random.integers(2, 7)
    head = colours(random, 2)[random.integers(2)]
    sheet.box(0.03, 0.03, 0.97, 0.03 + 0.94 / rows, head)
    for i in range(rows + 1):
        y = 0.03 + 0.94 * i / rows
        sheet.line([(0.03, y), (0.97, y)], ink, 0.004)
        for j in range(columns):
            if i < rows:
                words = _number(random) if j else _words(random, 1)
                sheet.text(0.04 + 0.94 * j / columns, y + 0.15 / rows, words, ink, 0.55 / rows)
    for j in range(columns + 1):
        x = 0.03 + 0.94 * j / columns
        sheet.line([(x, 0.03), (x, 0.97)], ink, 0.004)
    return sheet.pixels()


def receipt(random: np.random.Generator, shape: Shape) -> Floats:
    """A strip of paper on a table."""
    sheet, ink = Sheet(shape, colours(random, 2)[1]), _ink(random)
    left, right = random.uniform(0.1, 0.3), random.uniform(0.65, 0.9)
    lean = random.uniform(-0.08, 0.08)
    sheet.shape([(left, 0.0), (right, 0.0), (right + lean, 1.0), (left + lean, 1.0)], _paper(random))
    height, y = random.uniform(0.03, 0.05), 0.05
    while y < 0.92:
        x = left + lean * y + 0.02
        sheet.text(x, y, _words(random, 1), ink, height)
        sheet.text(right + lean * y - 0.2, y, _number(random), ink, height)
        y += height * 1.5
    return sheet.pixels()


def screen(random: np.random.Generator, shape: Shape) -> Floats:
    """Windows, bars and buttons."""
    tones = colours(random, 5)
    sheet = Sheet(shape, tones[0])
    sheet.box(0, 0, 1, random.uniform(0.05, 0.12), tones[3])
    sheet.box(0, 0.1, random.uniform(0.1, 0.3), 1, tones[1])
    for _ in range(random.integers(2, 6)):
        x, y = random.uniform(0.1, 0.6), random.uniform(0.1, 0.7)
        right, bottom = x + random.uniform(0.15, 0.45), y + random.uniform(0.1, 0.4)
        sheet.box(x, y, right, bottom, tones[random.integers(5)], outline=tones[4])
        sheet.box(x, y, right, y + 0.04, tones[3])
        for line in np.arange(y + 0.06, bottom - 0.03, 0.05):
            sheet.text(x + 0.01, line, _words(random, 2), tones[4], 0.03)
    for i in range(random.integers(2, 8)):
        sheet.disc(0.05 + 0.12 * i, 0.95, 0.07, tones[random.integers(5)])
    return sheet.pixels()


def chart(random: np.random.Generator, shape: Shape) -> Floats:
    """Bars, a curve or a pie with axes."""
    paper, ink = _paper(random), _ink(random)
    sheet, tones, count = Sheet(shape, paper), colours(random, 6), int(random.integers(4, 12))
    kind = random.integers(3)
    if kind == 2:
        for k, across in enumerate(np.linspace(0.8, 0.15, 5)):
            sheet.disc(0.5, 0.5, across, tones[k])
        sheet.text(0.05, 0.02, _words(random, 3), ink, 0.06)
        return sheet.pixels()
    sheet.line([(0.1, 0.05), (0.1, 0.9), (0.95, 0.9)], ink, 0.01)
    values = 0.85 - 0.75 * random.random(count)
    places = np.linspace(0.15, 0.88, count)
    if kind == 0:
        for x, y in zip(places, values, strict=True):
            sheet.box(x, y, x + 0.5 / count, 0.9, tones[random.integers(6)])
    else:
        sheet.line(list(zip(places, values, strict=True)), tones[5], 0.012)
        for x, y in zip(places, values, strict=True):
            sheet.disc(x, y, 0.03, tones[4])
    for x in places:
        sheet.text(x, 0.92, _number(random)[:3], ink, 0.04)
    return sheet.pixels()


def handwriting(random: np.random.Generator, shape: Shape) -> Floats:
    """Lines of scribble on ruled paper."""
    sheet = Sheet(shape, _paper(random))
    rules = int(random.integers(5, 14))
    for k in range(1, rules):
        sheet.line([(0, k / rules), (1, k / rules)], (170, 190, 215), 0.004)
    rows, columns = shape
    paths = []
    for k in range(1, rules):
        x = 0.05
        while x < 0.95:
            start = np.array([x * columns, (k - 0.1) / rules * rows])
            length = random.uniform(0.03, 0.1) * columns
            paths.append(wander(random, start, random.normal(0, 0.3), length=length, bend=4.0))
            x += random.uniform(0.03, 0.09)
    width = random.uniform(0.005, 0.014) * min(shape)
    cover = strokes(shape, paths, [width] * len(paths), 0.4)[..., None]
    picture = sheet.pixels()
    result: Floats = picture + cover * (levels(_ink(random)) - picture)
    return result


def code(random: np.random.Generator, shape: Shape) -> Floats:
    """Squares or bars for a machine to read."""
    sheet, ink = Sheet(shape, _paper(random)), _ink(random)
    if random.random() < 0.5:
        count = int(random.integers(15, 34))
        filled = random.random((count, count)) < 0.5
        for i, j in np.argwhere(filled):
            side = 0.8 / count
            sheet.box(0.1 + j * side, 0.1 + i * side, 0.1 + (j + 1) * side, 0.1 + (i + 1) * side, ink)
        return sheet.pixels()
    x = 0.1
    while x < 0.9:
        width = random.choice([0.006, 0.012, 0.02])
        sheet.box(x, 0.15, x + width, 0.75, ink)
        x += width + random.choice([0.006, 0.012, 0.02])
    sheet.text(0.2, 0.8, _number(random) + _number(random), ink, 0.1)
    return sheet.pixels()


KINDS: dict[str, Painter] = {
    "page": page, "table": table, "receipt": receipt, "screen": screen, "chart": chart, "handwriting": handwriting,
    "code": code,
}  # fmt: skip
