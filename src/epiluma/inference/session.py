"""One verified bundle's network in onnxruntime: images in, logits out, known answers checked at the start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from epiluma.bundle import FP32, Bundle, Scope
from epiluma.errors import EpilumaError
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.providers import CPU, ask_for, check_used

TOLERANCE = 1e-3
"""Largest difference of a known-answer probability that is accepted: fp32 on another processor differs by 1e-5."""
DEFAULT_PROVIDER = CPU
POOLED = ("features", "textures")
"""Outputs with one row per photo beside the logits; bundles may lack them."""
_GRID = 8


class SessionError(EpilumaError):
    """A graph that cannot be run here, or that is not what its manifest says."""


class KnownAnswerMismatch(SessionError):
    """This machine computes other probabilities than the bundle's maker: nothing may be screened with it."""


class UnusableOutput(SessionError):
    """The network gave NaN or infinity."""


def known_grid(seed: int) -> npt.NDArray[np.float64]:
    """(3, 8, 8) float64 within [-2, 2], which `known_input` enlarges; the stream of RandomState is frozen by numpy."""
    grid: npt.NDArray[np.float64] = np.random.RandomState(seed).random_sample((3, _GRID, _GRID)) * 4 - 2
    return grid


def known_input(seed: int, size: int) -> npt.NDArray[np.float32]:
    """(1, 3, size, size) float32, smooth, within [-2, 2]: an 8 x 8 random grid, bilinearly enlarged.

    Bit-stable: only +, -, * on float64 follow the grid.
    """
    grid = known_grid(seed)
    position = np.arange(size) * ((_GRID - 1) / max(size - 1, 1))
    low = np.minimum(position.astype(np.intp), _GRID - 2)
    part = position - low
    rows = grid[:, low, :] * (1 - part)[:, None] + grid[:, low + 1, :] * part[:, None]
    both = rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part
    result: npt.NDArray[np.float32] = both[None].astype(np.float32)
    return result


_MIRRORED: tuple[tuple[slice, slice], ...] = tuple(
    (slice(None, None, down), slice(None, None, along)) for down, along in ((1, 1), (1, -1), (-1, 1), (-1, -1))
)
"""Rows and columns of each view; mirroring twice gives the picture back."""


def in_views(batch: npt.NDArray[np.float32], views: int) -> npt.NDArray[np.float32]:
    """(n, 3, S, S) -> (views * n, 3, S, S): the photos as they are and, with 4 views, their mirror images.

    A lesion has no up or left: mirroring left-right, up-down and both shows the same lesion again.
    """
    if views == 1:
        return batch
    return np.concatenate([batch[:, :, rows, columns] for rows, columns in _MIRRORED])


def over_views(
    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]], batch: npt.NDArray[np.float32], views: int
) -> npt.NDArray[np.float32]:
    """The mean of the rows that `run` gives for each photo of (n, 3, S, S) in all its views."""
    if views == 1:
        return run(batch)
    mean: npt.NDArray[np.float32] = run(in_views(batch, views)).reshape(views, len(batch), -1).mean(axis=0)
    return mean


class Answer(NamedTuple):
    """All that a graph says of n photos, from one run."""

    logits: npt.NDArray[np.float32]
    """(n, leaves), the mean over the bundle's views."""
    own: npt.NDArray[np.float32]
    """(n, leaves) of the photos as they are."""
    features: npt.NDArray[np.float32] | None
    """(n, d) of the photos as they are; None where the graph gives none."""
    textures: npt.NDArray[np.float32] | None
    """(n, t) likewise."""
    activations: npt.NDArray[np.float32] | None
    """(n, leaves, h, w), the mean over the views, each turned back: what each place adds to each logit, whose mean
    over the places is the logit less a constant. None where the graph gives none."""

    def scoped(self, scope: Scope | None) -> npt.NDArray[np.float32] | None:
        """(n, d): the output that statistics are of; None without statistics, or where the graph does not give it."""
        given = {"features": self.features, "textures": self.textures}
        return given[scope.output] if scope else None


class Session:
    """onnxruntime on one thread, so that one process per core scales; (n, 3, S, S) float32 -> (n, leaves)."""

    def __init__(self, bundle: Bundle, *, provider: str = DEFAULT_PROVIDER) -> None:
        """Build the graph and check it. Raises SessionError, ProviderError, or KnownAnswerMismatch."""
        self.bundle = bundle
        self.provider = provider
        self.size = bundle.manifest.preprocessing.size
        self._session = open_graph(bundle.graph, bundle.manifest.graph, provider)
        _check_shape(bundle, self._session)
        self.outputs = [value.name for value in self._session.get_outputs()]
        self._check_known_answers()

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) normalised float32 -> (n, leaves) float32, the mean over the bundle's views.

        Raises UnusableOutput.
        """
        return self._finite(over_views(partial(self._run, "logits"), batch, self.bundle.manifest.views))

    def look(self, batch: npt.NDArray[np.float32]) -> Answer:
        """(n, 3, S, S) normalised float32 -> all that the graph gives. Raises UnusableOutput."""
        n, views = len(batch), self.bundle.manifest.views
        found = dict(zip(self.outputs, self._run_all(self.outputs, in_views(batch, views)), strict=True))
        for values in found.values():
            self._finite(values)
        logits, maps = found["logits"], found.get("activations")
        features, textures = (None if (values := found.get(name)) is None else values[:n] for name in POOLED)
        return Answer(
            logits=logits.reshape(views, n, -1).mean(axis=0),
            own=logits[:n],
            features=features,
            textures=textures,
            activations=None if maps is None else _turned_back(maps, views),
        )

    def features(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) normalised float32 -> (n, d) float32 pooled features, of the photo as it is.

        Raises SessionError when the bundle's graph gives none.
        """
        if "features" not in self.outputs:
            raise SessionError(f"{self.bundle.manifest.graph}: has no output `features`; export the run again")
        return self._run("features", batch)

    def _finite(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not np.isfinite(values).all():
            raise UnusableOutput(f"{self.bundle.manifest.graph}: the network gave a value that is not a finite number")
        return values

    def _run(self, output: str, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._run_all([output], batch)[0]

    def _run_all(self, outputs: list[str], batch: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        try:
            found: list[npt.NDArray[np.float32]] = self._session.run(outputs, {"image": batch})
        except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
            raise SessionError(f"{self.bundle.manifest.graph}: the network could not be run ({error})") from error
        return found

    def _check_known_answers(self) -> None:
        manifest = self.bundle.manifest
        for answer in manifest.known_answers:
            logits = self.logits(known_input(answer.seed, self.size))
            found = probabilities_from_logits(logits, manifest.calibration)[0]
            worst = float(np.abs(found - np.asarray(answer.probabilities)).max())
            if worst > TOLERANCE:
                raise KnownAnswerMismatch(
                    f"bundle {manifest.name!r}, {manifest.graph}: known input {answer.seed} gives probabilities "
                    f"that differ by {worst:.4f} from the recorded ones (at most {TOLERANCE} is accepted); "
                    f"this processor or onnxruntime {ort.__version__} does not run the network faithfully"
                )


def open_session(bundle: Bundle, graph: str | None = None, *, provider: str = DEFAULT_PROVIDER) -> Session:
    """The graph of that name; unset, the one that the bundle prefers, or its fp32 graph where this processor computes
    the preferred one otherwise, as those do that add 8-bit products in 16 bits. Only `cpu` is offered the preferred
    one: other providers have their own precision.

    Raises BundleError when the bundle holds no such graph, and what `Session` does.
    """
    preferred = bundle.manifest.preferred
    if graph is None and preferred != FP32 and provider == CPU:
        with contextlib.suppress(KnownAnswerMismatch):
            return Session(bundle.using(preferred), provider=provider)
    return Session(bundle.using(graph or FP32), provider=provider)


def _turned_back(maps: npt.NDArray[np.float32], views: int) -> npt.NDArray[np.float32]:
    """(views * n, leaves, h, w) -> (n, leaves, h, w)."""
    if views == 1:
        return maps
    each = np.split(maps, views)
    mean: npt.NDArray[np.float32] = np.mean(
        [one[:, :, rows, columns] for one, (rows, columns) in zip(each, _MIRRORED, strict=True)], axis=0
    )
    return mean


def open_graph(graph: bytes, name: str, provider: str) -> ort.InferenceSession:
    """A graph on one thread and the provider of that name in PROVIDERS. Raises SessionError and ProviderError."""
    options = ort.SessionOptions()
    names = ask_for(provider, options)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(graph, options, providers=names)
    except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
        raise SessionError(f"{name}: onnxruntime cannot load it ({error})") from error
    check_used(session, provider)
    session.disable_fallback()
    return session


def _check_shape(bundle: Bundle, session: ort.InferenceSession) -> None:
    manifest, size = bundle.manifest, bundle.manifest.preprocessing.size
    expected = {"image": [3, size, size], "logits": [len(manifest.taxonomy.leaves)]}
    found = {value.name: list(value.shape) for value in (*session.get_inputs(), *session.get_outputs())}
    extra = {**dict.fromkeys(POOLED, 2), "activations": 4}  # name -> dimensions; bundles may lack them
    needed = {name: shape[1:] for name, shape in found.items() if name not in extra}
    if needed != expected or any(len(found.get(name, range(rank))) != rank for name, rank in extra.items()):
        raise SessionError(
            f"{manifest.graph}: expected image (N, 3, {size}, {size}) -> logits (N, {len(manifest.taxonomy.leaves)}) "
            f"and perhaps features (N, d), textures (N, t) and activations (N, leaves, h, w), "
            f"found {', '.join(f'{name} {tuple(shape)}' for name, shape in found.items())}"
        )
