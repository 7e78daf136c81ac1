"""How each of the eight diagnoses looks under a dermoscope: one painter per diagnosis, in the field's own words.

Sources of the features: Kittler et al. 2016, "Standardization of terminology in dermoscopy/dermatoscopy",
J Am Acad Dermatol 74(6); Tschandl et al. 2018, "The HAM10000 dataset" (what each class contains).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, grain, rings, smoothstep, strokes, wander
from epiluma.imaging.synthetic.tissue import KERATIN, NEST, SCALE, SCAR, VEIL, Tissue, outlined

Painter = Callable[[np.random.Generator, float, float], Tissue]
"""(generator, lesion radius in pixels, magnification) -> painted patch."""


def nevus(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Symmetric, one or two browns, one even pattern: network, globules or neither."""
    lesion = outlined(random, radius=radius, pixel=pixel, wobble=0.05, ragged=0.04, aspect=random.uniform(1, 1.5))
    body = lesion.body(random.uniform(0.3, 0.7))
    density = random.uniform(0.5, 1.2)
    heart = smoothstep(0.0, 1.0, lesion.depth)
    lesion.melanin += density * body * (0.7 + random.uniform(0, 0.6) * heart) * np.exp(0.22 * lesion.clouds(0.4, 4))
    lesion.blood += random.uniform(0.05, 0.25) * body
    pattern = random.choice(["network", "globules", "even"], p=[0.55, 0.25, 0.2])
    if pattern == "network":
        lesion.melanin *= 0.7
        fade = body * (1 - 0.5 * heart) * np.clip(0.8 + 0.3 * lesion.clouds(0.4, 2), 0, 1.3)
        lesion.melanin += density * random.uniform(0.6, 0.9) * fade * lesion.net(random.uniform(8, 12), line=0.22)
    elif pattern == "globules":
        places = lesion.points(round(random.uniform(90, 180)))
        lesion.melanin += 0.5 * density * lesion.dots(places, 2.2, 4.5, soft=1.3)
    lesion.mottle(0.16)
    return lesion


def melanoma(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Asymmetric in outline and colour: broken network, blotches, uneven globules, streaks, veil, regression."""
    lesion = outlined(
        random, radius=radius * 1.15, pixel=pixel, lobes=3, wobble=0.12, ragged=0.08, aspect=random.uniform(1.1, 1.5)
    )
    body = lesion.body(random.uniform(0.1, 0.3))
    density = random.uniform(0.5, 1.0)
    dark = lesion.zone(0.8, random.uniform(0.3, 0.6), soft=1.4)
    lesion.melanin += density * body * (0.35 + 1.1 * dark) * np.exp(0.3 * lesion.clouds(0.3, 4))
    lesion.blood += body * (0.04 + 0.25 * lesion.zone(0.8, 0.2, soft=1.4))
    network = lesion.zone(0.8, 0.55) * body
    lesion.melanin += random.uniform(0.6, 1.0) * network * lesion.net(random.uniform(11, 16), line=0.26, disorder=0.3)
    if random.random() < 0.5:
        _streaks(lesion)
    for _ in range(int(random.integers(1, 3))):
        blotch = lesion.patch_at(off_centre=random.uniform(0.3, 0.6), spread=random.uniform(0.2, 0.42), soft=0.6)
        lesion.melanin += random.uniform(1.0, 1.9) * blotch * body
    lesion.melanin += 1.1 * lesion.dots(lesion.points(round(random.uniform(15, 55)), high=0.5), 1.2, 5.0, soft=1.2)
    if random.random() < 0.5:
        _regression(lesion, body)
    lesion.mottle(0.25)
    if random.random() < 0.75:
        veil = lesion.patch_at(off_centre=random.uniform(0.1, 0.5), spread=random.uniform(0.3, 0.55), soft=0.9)
        lesion.cover(VEIL, veil * body * (0.5 + 0.16 * lesion.clouds(0.2, 4)))
    return lesion


def basal_cell_carcinoma(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Pink and translucent: arborising vessels in focus, blue-grey ovoid nests, small ulcers, pale shine."""
    lesion = outlined(random, radius=radius, pixel=pixel, lobes=2, wobble=0.08, ragged=0.08, aspect=1.2)
    body = lesion.body(0.5)
    lesion.blood += body * random.uniform(0.22, 0.42) * np.exp(0.35 * lesion.clouds(0.4, 4))
    lesion.melanin += body * random.uniform(0.02, 0.2) * lesion.zone(0.5, 0.4)
    lesion.cover(SCAR, body * (0.15 + 0.35 * lesion.zone(0.45, 0.3, soft=1.5)))
    # Nests: small dense blobs of noise, kept where a larger noise is high, so that they cluster.
    nests = smoothstep(0.8, 2.4, lesion.clouds(0.16, 3) + 1.1 * lesion.zone(0.8, 0.35) - 0.45) * body
    lesion.melanin += 0.9 * nests
    lesion.cover(NEST, 0.7 * nests)
    lesion.melanin += 0.9 * lesion.dots(lesion.points(40, within=lesion.zone(0.5, 0.3)), 0.8, 2.4)
    if random.random() < 0.45:
        ulcer = lesion.patch_at(off_centre=random.uniform(0, 0.5), spread=random.uniform(0.1, 0.2), soft=0.8) * body
        lesion.blood += 1.2 * ulcer
        lesion.cover((150, 74, 46), 0.5 * ulcer * np.clip(0.8 + 0.4 * lesion.clouds(0.08, 3), 0, 1))
    lesion.mottle(0.2)
    lesion.cover((170, 42, 66), 0.72 * _arborising_vessels(lesion))
    return lesion


def actinic_keratosis(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Strawberry pattern: a red net around pale plugged follicles, under flakes of dry scale; edges unclear."""
    lesion = outlined(random, radius=radius, pixel=pixel, lobes=2, wobble=0.08, ragged=0.1, aspect=1.25)
    body = lesion.body(0.8)
    net = lesion.net(random.uniform(14, 19), line=0.35, disorder=0.3, soft=0.18)
    lesion.blood += body * (0.15 + random.uniform(0.25, 0.5) * net) * np.exp(0.45 * lesion.clouds(0.35, 5))
    lesion.melanin += body * random.uniform(0.1, 0.45) * (0.3 + lesion.zone(0.5, 0.4, soft=1.6))
    lesion.mottle(0.3)
    follicles = smoothstep(0.6, 1.0, 1 - net) * body
    lesion.cover(SCALE, 0.4 * follicles * np.clip(0.7 + 0.5 * lesion.clouds(0.3, 2), 0, 1))
    lesion.cover(KERATIN, 0.6 * lesion.dots(lesion.points(round(random.uniform(12, 30)), low=0.1), 1.5, 3.2, soft=1.2))
    flakes = grain(
        random, lesion.shape, angle=random.uniform(0, np.pi), length=lesion.size(22, 3), width=lesion.size(8, 1.5)
    )
    flakes = smoothstep(0.7, 2.3, 0.6 * flakes + 0.8 * lesion.clouds(0.14, 5) + 0.7 * lesion.zone(0.6, 0.4)) * body
    lesion.cover(SCALE, 0.85 * flakes)
    return lesion


def squamous_cell_carcinoma(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """A mass of keratin on red ground, white circles, looped and dotted vessels around it, specks of blood."""
    lesion = outlined(random, radius=radius, pixel=pixel, lobes=2, wobble=0.08, ragged=0.07, aspect=1.15)
    body = lesion.body(0.35)
    lesion.blood += body * random.uniform(0.4, 0.65) * np.exp(0.3 * lesion.clouds(0.3, 4))
    lesion.melanin += body * random.uniform(0.15, 0.45) * np.exp(0.4 * lesion.clouds(0.4, 5))
    lesion.mottle(0.3)
    lesion.cover(SCAR, 0.5 * body * lesion.zone(0.35, 0.4, soft=1.6))
    lesion.blood += 0.9 * _looped_vessels(lesion) * body
    circles = lesion.points(round(random.uniform(12, 26)), low=0.06)
    radii = np.maximum(random.uniform(3.5, 6.5, len(circles)) * lesion.pixel, 1.4)
    lesion.cover((242, 226, 220), 0.6 * rings(lesion.shape, circles, radii, lesion.size(2.6)) * body)
    lesion.cover(KERATIN, 0.5 * lesion.dots(circles, 1.4, 2.6))
    mass = lesion.patch_at(off_centre=random.uniform(0, 0.3), spread=random.uniform(0.32, 0.5), soft=0.35) * body
    rough = lesion.clouds(0.2, 5)
    lesion.cover((184, 138, 100), mass * (0.72 + 0.2 * rough))
    lesion.cover(SCALE, 0.65 * mass * smoothstep(-0.4, 1.8, rough))
    cracks = (1 - smoothstep(0.0, 0.14, np.abs(lesion.clouds(0.22, 3)))) * mass
    lesion.cover((120, 70, 46), 0.45 * cracks)
    specks = lesion.dots(lesion.points(round(random.uniform(4, 12)), within=mass), 1.5, 5.0, soft=1.2)
    lesion.cover((92, 20, 16), 0.8 * specks)
    return lesion


def benign_keratosis(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Stuck on, sharply ended, waxy brown: milia-like cysts, comedo-like openings, fissures; or a flat lentigo."""
    lesion = outlined(random, radius=radius, pixel=pixel, wobble=0.07, ragged=0.07, aspect=random.uniform(1, 1.5))
    body = lesion.body(0.09)
    lentigo = random.random() < 0.25
    density = random.uniform(0.3, 0.5) if lentigo else random.uniform(0.35, 0.9)
    lesion.melanin += density * body * np.exp(0.3 * lesion.clouds(0.35, 4))
    lesion.blood += random.uniform(0.0, 0.12) * body
    if lentigo:
        prints = grain(random, lesion.shape, angle=random.uniform(0, np.pi), length=0.3 * radius, width=lesion.size(5))
        bent = smoothstep(-0.2, 0.9, prints + 0.4 * lesion.clouds(0.2, 3))
        lesion.melanin *= 0.6 + 0.6 * bent
        lesion.mottle(0.3)
        lesion.cover((190, 160, 118), 0.22 * body)
        return lesion
    lesion.mottle(0.25)
    lesion.cover((176, 146, 106), body * np.clip(0.3 + 0.14 * lesion.clouds(0.3, 3), 0, 1))
    ridges = np.abs(lesion.clouds(random.uniform(0.25, 0.4), 3))
    fissures = (1 - smoothstep(0.0, 0.22, ridges)) * smoothstep(0.03, 0.25, lesion.depth)
    lesion.cover((84, 54, 38), random.uniform(0.2, 0.5) * fissures)
    openings = lesion.dots(lesion.points(round(random.uniform(8, 24)), low=0.08), 1.6, 5.0, soft=1.4)
    lesion.cover((58, 36, 26), 0.8 * openings)
    cysts = lesion.dots(lesion.points(round(random.uniform(12, 28)), low=0.08), 1.6, 4.0, soft=1.6)
    lesion.cover((246, 230, 200), 0.85 * cysts)
    return lesion


def dermatofibroma(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Round: a central white scar-like patch with radiating lines, within a soft brown ring of fine network."""
    lesion = outlined(random, radius=radius, pixel=pixel, wobble=0.03, ragged=0.04, aspect=1.1)
    body = lesion.body(0.9)
    scar = random.uniform(0.35, 0.55)
    ring = body * (1 - 0.7 * smoothstep(scar - 0.15, scar + 0.35, lesion.depth))
    lesion.melanin += random.uniform(0.35, 0.65) * ring * (0.7 + 0.45 * lesion.net(random.uniform(8, 10), line=0.22))
    lesion.blood += body * random.uniform(0.1, 0.3)
    lesion.mottle(0.2)
    rim = lesion.depth + 0.05 * _rays(lesion, 70) + 0.12 * lesion.clouds(0.25, 4)
    white = smoothstep(scar - 0.2, scar + 0.4, rim)
    lesion.cover(SCAR, random.uniform(0.5, 0.7) * white)
    # The rays run outwards from the scar; in its middle they are lost in a tangle.
    lines = smoothstep(0.2, 1.4, _rays(lesion, 50) + 0.8 * lesion.clouds(0.12, 3))
    lines *= smoothstep(0.15, 0.45, lesion.depth) * (1 - 0.8 * smoothstep(0.6, 0.95, lesion.depth))
    lesion.cover((240, 220, 224), 0.4 * lines)
    lesion.blood += 0.6 * white * smoothstep(0.2, 1.2, lesion.clouds(0.2, 4))
    return lesion


def vascular_lesion(random: np.random.Generator, radius: float, pixel: float) -> Tissue:
    """Red, purple or black lacunae, sharply bordered, parted by pale septa."""
    lesion = outlined(
        random, radius=radius * 0.85, pixel=pixel, wobble=0.08, ragged=0.05, aspect=random.uniform(1, 1.3)
    )
    body = lesion.body(0.08)
    septa = lesion.net(random.uniform(26, 42), line=0.22, disorder=0.26)
    lacunae = smoothstep(0.15, 0.7, 1 - septa) * body
    full = np.clip(0.8 + 0.35 * lesion.clouds(0.4, 4), 0.2, 1.5)
    lesion.blood += body * random.uniform(0.8, 1.3) + random.uniform(0.5, 1.0) * lacunae * full
    clotted = lesion.zone(0.5, random.uniform(0, 0.35)) * lacunae
    lesion.melanin += random.uniform(0.2, 1.3) * clotted
    lesion.cover((92, 40, 110), random.uniform(0, 0.35) * lacunae)
    haze = septa * body * lesion.zone(0.5, 0.5, soft=1.6)
    lesion.cover((196, 140, 170), random.uniform(0.0, 0.2) * haze)
    return lesion


PAINTERS: dict[str, Painter] = {
    "MEL": melanoma,
    "NV": nevus,
    "BCC": basal_cell_carcinoma,
    "AK": actinic_keratosis,
    "BKL": benign_keratosis,
    "DF": dermatofibroma,
    "VASC": vascular_lesion,
    "SCC": squamous_cell_carcinoma,
}
"""Painter by the codes of `epiluma.taxonomy.ISIC_2019`."""


def _streaks(lesion: Tissue) -> None:
    """Dark finger-like lines that leave the outline on one side only."""
    random = lesion.random
    side = random.uniform(0, 2 * np.pi)
    feet = lesion.points(160, low=0.0, high=0.15)
    middle = np.array([lesion.shape[1] / 2, lesion.shape[0] / 2])
    outward = np.arctan2(feet[:, 1] - middle[1], feet[:, 0] - middle[0])
    near = np.abs((outward - side + np.pi) % (2 * np.pi) - np.pi) < 0.7
    paths = [
        wander(random, foot, heading, length=lesion.radius * random.uniform(0.06, 0.16), bend=0.3)
        for foot, heading in zip(feet[near], outward[near], strict=True)
    ]
    lesion.melanin += 0.9 * strokes(lesion.shape, paths, [lesion.size(5)] * len(paths), 1.6 * lesion.pixel)


def _regression(lesion: Tissue, body: Floats) -> None:
    """A scar-like pale area, its pigment gone, sprinkled with blue-grey grains."""
    area = lesion.patch_at(off_centre=0.5, spread=lesion.random.uniform(0.25, 0.38), soft=0.8) * body
    lesion.melanin *= 1 - 0.8 * area
    lesion.cover(SCAR, 0.4 * area)
    grains = lesion.dots(lesion.points(90, within=area), 0.8, 1.8)
    lesion.cover((110, 112, 132), 0.6 * grains)


def _rays(lesion: Tissue, count: int) -> Floats:
    """Noise that depends on the direction from the centre only: about `count` rays."""
    spokes = lesion.random.normal(0, 1, count).astype(np.float32)
    axis = np.linspace(-1, 1, lesion.shape[0], dtype=np.float32)
    bent = 0.04 * lesion.clouds(0.3, 3)
    angle = np.arctan2(axis[:, None] + bent, axis[None, :] - bent)
    turn = (angle / np.float32(2 * np.pi) + 0.5) * count
    low = turn.astype(np.int32)
    rays: Floats = spokes[low % count] + (turn - low) * (spokes[(low + 1) % count] - spokes[low % count])
    return rays


def _arborising_vessels(lesion: Tissue) -> Floats:
    """Trees of sharp vessels: stems from the rim inwards, each with thinner branches."""
    random = lesion.random
    middle = np.array([lesion.shape[1] / 2, lesion.shape[0] / 2])
    paths, widths = [], []
    for root in lesion.points(int(random.integers(3, 7)), low=0.05, high=0.5):
        inward = np.arctan2(middle[1] - root[1], middle[0] - root[0]) + random.normal(0, 0.6)
        stem = wander(random, root, inward, length=lesion.radius * random.uniform(0.7, 1.2), bend=0.9)
        width = random.uniform(2.6, 4.0)
        paths.append(stem)
        widths.append(lesion.size(width))
        for _ in range(int(random.integers(4, 9))):
            fork = int(random.integers(4, 20))
            along = stem[fork + 1] - stem[fork]
            heading = np.arctan2(along[1], along[0]) + random.choice([-1, 1]) * random.uniform(0.4, 1.0)
            length = lesion.radius * random.uniform(0.2, 0.5)
            paths.append(wander(random, stem[fork], heading, length=length, bend=0.9))
            widths.append(lesion.size(width * random.uniform(0.3, 0.6), 0.8))
    return strokes(lesion.shape, paths, widths, 0.5 * lesion.pixel) * smoothstep(-0.15, 0.1, lesion.depth)


def _looped_vessels(lesion: Tissue) -> Floats:
    """Short hairpins and coiled dots near the rim."""
    random = lesion.random
    places = lesion.points(round(random.uniform(25, 50)), low=0.0, high=0.55)
    paths = [
        wander(random, place, random.uniform(0, 2 * np.pi), length=lesion.size(random.uniform(14, 26), 4), bend=2.2)
        for place in places
    ]
    loops = strokes(lesion.shape, paths, [lesion.size(2.2)] * len(paths), 0.6 * lesion.pixel)
    coils = lesion.dots(lesion.points(40, low=0.0, high=0.6), 1.2, 2.4)
    return np.maximum(loops, coils)
