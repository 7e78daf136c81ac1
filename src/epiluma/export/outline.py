"""The network that outlines the lesion, from its own run to its place in a bundle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from epiluma import bundle as bundles
from epiluma import segmentations
from epiluma.datasets import split
from epiluma.evaluation.mask_scorecard import score_masks
from epiluma.export import graph as graphs
from epiluma.export import network as networks
from epiluma.export import variants
from epiluma.export.config import Shipping
from epiluma.export.manifest import provenance
from epiluma.export.predict import MASKS, outlines
from epiluma.export.scored import Scored
from epiluma.inference.outline import lesion_shares
from epiluma.inference.session import known_input
from epiluma.training import data
from epiluma.training.centring import crop_of, outlining
from epiluma.training.recipe import Centre, Recipe, RecipeError
from epiluma.training.run import recipe_of

GRAPH = "outline.onnx"
MAX_DIFFERENCE = 1e-3
"""Largest difference of a pixel's probability between PyTorch and ONNX that is shipped."""
_KNOWN_SEEDS = (1, 2, 3)
_PROVEN = 64
"""Validation images whose every pixel is compared between PyTorch and ONNX."""


class Outlined(NamedTuple):
    """What an export adds to a bundle."""

    facts: bundles.Outline
    graph: bytes
    table: segmentations.Segmentations | None
    """None of an outline that another bundle brought."""
    crop: bundles.Crop | None = None
    """Of what the network is shown, where training followed the outline."""


class Graph(nn.Module):
    """An exported graph where a network is expected."""

    def __init__(self, graph: bytes) -> None:
        super().__init__()
        self._run = variants.load(bundles.FP32, graph)

    def forward(self, image: Tensor) -> Tensor:
        """(n, 3, S, S) -> (n, 1, S, S)."""
        return torch.from_numpy(self._run(image.contiguous().numpy())["masks"])


def check(recipe: Recipe, shipping: Shipping) -> None:
    """Raise RecipeError when a bundle would outline with another network than the one that training followed, and
    for a margin around what was never followed.
    """
    if shipping.margin is not msgspec.UNSET and not isinstance(recipe.data.centre, Centre):
        raise RecipeError("bundle.margin: the run was not trained to follow the lesion; say so in data.centre")
    if shipping.outline and isinstance(recipe.data.centre, Centre):
        raise RecipeError("bundle.outline: leave it out, as the outline of data.centre.bundle ships with this run")


def shown(recipe: Recipe, shipping: Shipping) -> Recipe:
    """The recipe with what the bundle's network is shown of each photo, which may be closer than in training."""
    centre = recipe.data.centre
    if isinstance(shipping.margin, msgspec.UnsetType) or not isinstance(centre, Centre):
        return recipe
    near = msgspec.structs.replace(centre, margin=shipping.margin)
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, centre=near))


def of(recipe: Recipe, shipping: Shipping) -> Outlined | None:
    """The outline that ships: what training followed, else of the run that is named. Raises what `make` does."""
    if isinstance(centre := recipe.data.centre, Centre):
        followed = outlining(centre)
        assert followed.manifest.outline is not None
        graph = followed.files[followed.manifest.outline.graph]
        return Outlined(followed.manifest.outline, graph, None, crop_of(centre))
    return make(Path(shipping.outline), shipping.training_data) if shipping.outline else None


def make(run: Path, training_data: str) -> Outlined:
    """Export a finished run that segments the lesion, and score the graph's own outlines on the test part.

    Writes the table into the run's folder. Raises RecipeError when the run is not finished or learns something else,
    and ValueError when the graph does not compute what the checkpoint computes.
    """
    recipe = recipe_of(run)
    size = recipe.phases[-1].size
    networks.check(recipe, run)
    corpus = data.load(recipe, needed=split.SHARES)
    trained = networks.trained(recipe, corpus, run, "best")
    if trained.task != "segmentation" or recipe.model.masks != "lesion":
        raise RecipeError(f'{run}: bundle.outline needs a run of a segmentation network with `masks = "lesion"`')
    scored = Scored(corpus, trained.input, size)
    graph = graphs.to_onnx(graphs.outliner(trained.network), size)
    exported = Graph(graph)
    _prove(trained.network, exported, scored)
    answers = []
    for seed in _KNOWN_SEEDS:
        found = exported(torch.from_numpy(known_input(seed, size))).numpy()[:, 0]
        answers.append(bundles.OutlineAnswer(seed=seed, share=round(float(lesion_shares(found)[0]), 6)))
    table = outlines(recipe, trained._replace(network=exported), scored, runner=bundles.FP32)
    segmentations.write(table, run / MASKS)
    facts = bundles.Outline(
        graph=GRAPH,
        size=size,
        mean=trained.input.mean,
        std=trained.input.std,
        known_answers=tuple(answers),
        scorecard=score_masks(table, part="test").to_scorecard(f"epiluma evaluate {MASKS}"),
        provenance=provenance(recipe, training_data, corpus.split.sha256),
    )
    return Outlined(facts, graph, table)


def _prove(network: nn.Module, exported: Graph, scored: Scored) -> None:
    """Raise ValueError when a pixel's probability differs by more than MAX_DIFFERENCE."""
    images = torch.from_numpy(scored.normalised(scored.corpus.parts["validation"][:_PROVEN]))
    with torch.inference_mode():
        expected, found = network.eval()(images).sigmoid(), exported(images).sigmoid()
    worst = float((expected - found).abs().max())
    if worst > MAX_DIFFERENCE:
        raise ValueError(f"probabilities of PyTorch and ONNX differ by {worst:.2e}, more than {MAX_DIFFERENCE}")


def named(table: segmentations.Segmentations, model: str) -> segmentations.Segmentations:
    """The table, now that the id of the bundle is known."""
    return dataclasses.replace(table, header=msgspec.structs.replace(table.header, model=model))
