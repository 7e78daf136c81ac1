"""The manifest of a bundle that is being made."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epiluma import __version__
from epiluma.bundle import FP32, DecisionRule, FileEntry, Graph, Manifest, Preprocessing, Provenance, Variant
from epiluma.export.config import Shipping
from epiluma.models.registry import Input
from epiluma.training.data import Corpus
from epiluma.training.recipe import Recipe


def make(
    recipe: Recipe,
    shipping: Shipping,
    corpus: Corpus,
    *,
    pixels: Input,
    rule: DecisionRule,
    graphs: Mapping[str, Graph],
) -> Manifest:
    """The manifest without scorecard and hashes; `graphs` by name, FP32 among them."""
    return Manifest(
        format=1,
        name=shipping.name,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        modality=shipping.modality,
        taxonomy=corpus.taxonomy,
        preprocessing=Preprocessing(size=shipping.size, mean=pixels.mean, std=pixels.std),
        views=shipping.views,
        decision=rule,
        **_facts(graphs[FP32]),
        variants=tuple(Variant(name=name, **_facts(graph)) for name, graph in graphs.items() if name != FP32),
        preferred=shipping.preferred,
        scorecard=None,
        provenance=provenance(recipe, shipping.training_data, corpus.split.sha256),
        licence=shipping.licence,
        licence_note=shipping.licence_note,
        non_commercial=shipping.non_commercial,
        files={name: FileEntry(sha256="", bytes=0) for graph in graphs.values() for name in _named(graph)},
    )


def _named(graph: Graph) -> list[str]:
    """Files of a bundle that a graph's facts name."""
    examples = graph.examples
    return [
        graph.graph,
        *([graph.scope.file] if graph.scope else []),
        *([examples.file, examples.names] if examples else []),
    ]


def _facts(graph: Graph) -> dict[str, Any]:
    return {field: getattr(graph, field) for field in Graph.__struct_fields__}


def provenance(recipe: Recipe, training_data: str, split_sha256: str) -> Provenance:
    """Where the weights of a run come from."""
    return Provenance(
        recipe=recipe.name,
        recipe_sha256=recipe.sha256,
        data_manifest_sha256=split_sha256,
        architecture=recipe.model.architecture,
        starting_weights=Path(recipe.model.weights).name or "random",
        epiluma_version=__version__,
        training_data=training_data,
    )
