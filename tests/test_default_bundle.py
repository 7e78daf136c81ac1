"""The bundle that ships: intact, small, reproducible from its committed Predictions, and as good as promised."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma import predictions
from epiluma.bundle import Bundle
from epiluma.datasets import catalog, split
from epiluma.evaluation import report
from epiluma.evaluation.scorecard import Evaluation
from epiluma.imaging.synthetic.outside import as_file, draw_outside
from epiluma.inference import decide
from epiluma.inference.outline import Outliner
from epiluma.inference.screen import Screener
from epiluma.inference.session import Session

REPOSITORY = Path(__file__).parents[1]
DISTRIBUTION = REPOSITORY / "models" / "epiluma-model-ham10000"
TABLE = DISTRIBUTION / "run" / "predictions.csv"


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return bundles.load(DISTRIBUTION / "src" / "epiluma_model_ham10000" / "bundle")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return report.evaluate_file(TABLE)


def test_known_answers_hold_and_each_network_is_within_15_mb(shipped: Bundle) -> None:
    Session(shipped)
    Outliner.of(shipped)
    Session(shipped.using("onnx-int8"))
    assert sorted(shipped.files) == [
        "examples.csv",
        "examples.f16",
        "model.onnx",
        "onnx-int8-examples.f16",
        "onnx-int8-scope.f32",
        "onnx-int8.onnx",
        "outline.onnx",
        "scope.f32",
    ]
    assert max(len(data) for data in shipped.files.values()) <= 15e6


def test_committed_run_belongs_to_the_bundle_and_to_the_split(shipped: Bundle) -> None:
    header = predictions.read(TABLE).header
    assert header.model == shipped.id
    assert header.manifest_sha256 == split.read(REPOSITORY / "configs" / "splits" / "ham10000.csv").sha256
    assert header.manifest_sha256 == shipped.manifest.provenance.data_manifest_sha256
    assert header.threshold == shipped.manifest.operating_point.threshold
    assert header.audit.startswith("clean")
    assert json.loads((DISTRIBUTION / "run" / "parity.json").read_text())["bundle"] == shipped.id


def test_results_page_is_what_evaluate_prints(evaluation: Evaluation) -> None:
    assert report.to_markdown(evaluation) == (DISTRIBUTION / "RESULTS.md").read_text(encoding="utf-8")


FIGURE = re.compile(r"\d\.\d{3} \(\d\.\d{3}–\d\.\d{3}\)")


def test_every_figure_in_the_readme_is_in_the_results() -> None:
    printed = set(FIGURE.findall((DISTRIBUTION / "RESULTS.md").read_text(encoding="utf-8")))
    quoted = FIGURE.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert len(quoted) >= 8
    assert set(quoted) <= printed


def test_manifest_carries_the_same_figures(shipped: Bundle, evaluation: Evaluation) -> None:
    scorecard = shipped.manifest.scorecard
    assert scorecard is not None
    again = evaluation.to_scorecard(scorecard.command)
    assert again.metrics.keys() == scorecard.metrics.keys()
    for subset, metrics in scorecard.metrics.items():
        for name, metric in metrics.items():
            assert again.metrics[subset][name].value == pytest.approx(metric.value, abs=2e-4), (subset, name)


def test_promised_figures_on_held_out_lesions(evaluation: Evaluation) -> None:
    figures = evaluation.to_scorecard("").metrics["all"]
    assert figures["balanced_accuracy_grouped"].value >= 0.72
    assert figures["malignant_auc_by_lesion"].value >= 0.93


def test_what_is_no_photo_of_skin_is_refused(shipped: Bundle) -> None:
    """Not a figure, which `epiluma bench gate` measures: that the bundle holds its scope and the runtime asks it."""
    screener = Screener(shipped)
    for family in ("textures", "documents", "faces"):
        screening = screener.screen(as_file(draw_outside(family, 10_000).image), file=family)
        assert screening.diagnosis is None, family
        assert screening.ood_score is not None


def test_operating_point_keeps_its_promise_on_the_calibration_part(shipped: Bundle) -> None:
    point = shipped.manifest.operating_point
    assert point.sensitivity >= 0.97
    assert point.sensitivity_lower_bound >= 0.92
    table = predictions.read(TABLE).only("calibration")
    melanoma = table.truth == table.header.codes.index("MEL")
    called = decide.diagnose(table.probabilities, shipped.manifest.decision, shipped.manifest.calibration)
    referred = decide.refers(table.probabilities, called, point.threshold - 1e-6, shipped.manifest.taxonomy)
    referred |= table.diagnosis < 0  # what is not judged is shown to a doctor or photographed again, never passed
    caught = [bool(referred[melanoma & (table.group == lesion)].all()) for lesion in set(table.group[melanoma])]
    assert len(caught) == point.lesions
    assert np.mean(caught) == pytest.approx(point.sensitivity)


@pytest.mark.real_data
def test_screening_the_files_gives_the_committed_probabilities(shipped: Bundle, data_root: Path) -> None:
    samples = {sample.image_id: sample for sample in catalog.read("ham10000", data_root / "HAM10000")}
    table, screener = predictions.read(TABLE), Screener(shipped)
    rows = np.random.default_rng(0).choice(len(table), 40, replace=False)
    for i in rows:
        path = samples[str(table.image_id[i])].path
        screening = screener.screen(path.read_bytes(), file=path.name)
        if screening.diagnosis is None:
            continue  # refused by the quality check: not scored
        assert list(screening.probabilities.values()) == pytest.approx(table.probabilities[i], abs=1e-4)
        assert (screening.recommendation.level in {"refer", "urgent"}) == table.referred[i]
