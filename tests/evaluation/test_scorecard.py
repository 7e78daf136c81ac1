"""The scorecard on an example small enough to work out by hand, and on what must be refused or left open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import pytest
from sklearn import metrics as sk

from epiluma import bundle
from epiluma.evaluation import metrics
from epiluma.evaluation.figures import DEFINITIONS
from epiluma.evaluation.intervals import bootstrap, reflect, wilson
from epiluma.evaluation.scorecard import Evaluation, Subset, score
from epiluma.evaluation.selection import LeakedPredictions
from epiluma.predictions import Header, Predictions, PredictionsError

MEL, NV, AK, SCC = range(4)
QUICK = 200

HEADER = Header(
    codes=("MEL", "NV", "AK", "SCC"),
    groups=("MEL", "NV", "AKIEC", "AKIEC"),
    malignant=(True, False, True, True),
    runner="by hand",
    model="example",
    manifest_sha256="0" * 64,
    audit="clean: none",
    prevalence=(0.1, 0.7, 0.1, 0.1),
    threshold=0.5,
)


def example() -> Predictions:
    """50 images of 40 lesions, ten lesions of each leaf; every melanoma has two photos.

    MEL: the second photo of two lesions is called NV and not referred. NV: three called MEL and referred, one not
    judged. AK: four called SCC, all referred. SCC: all right and referred.
    """
    truth = np.repeat([MEL, NV, AK, SCC], [20, 10, 10, 10])
    group = np.r_[np.repeat(np.arange(10), 2), np.arange(10, 40)]
    diagnosis = truth.copy()
    diagnosis[[1, 3]] = NV
    diagnosis[20:23] = MEL
    diagnosis[23] = -1
    diagnosis[30:34] = SCC
    said = np.where(diagnosis < 0, NV, diagnosis)
    return Predictions(
        header=HEADER,
        image_id=np.array([f"i{i}" for i in range(50)]),
        group=np.array([f"l{i}" for i in group]),
        part=np.full(50, "test"),
        truth=truth,
        probabilities=np.where(np.arange(4) == said[:, None], 0.7, 0.1),
        diagnosis=diagnosis,
        referred=said != NV,
        subgroups={"confirmation": np.full(50, "histo")},
    )


def value(evaluation: Evaluation, key: str, subset: str = "all") -> float | None:
    metric = evaluation.subsets[subset].figures[key].metric
    return metric.value if metric else None


EXPECTED = {
    # value, what the majority baseline ("NV" always) gets, n
    "balanced_accuracy_grouped": ((18 / 20 + 6 / 10 + 20 / 20) / 3, 1 / 3, 40),
    "balanced_accuracy_leaves": ((18 / 20 + 6 / 10 + 6 / 10 + 10 / 10) / 4, 1 / 4, 40),
    "accuracy_grouped": (44 / 50, 10 / 50, 40),
    "macro_f1_grouped": ((36 / 41 + 12 / 18 + 1) / 3, (2 * 10 / 60) / 3, 40),
    "macro_precision_grouped": ((18 / 21 + 6 / 8 + 1) / 3, (10 / 50) / 3, 40),
    # Each class weighs 1: MEL is called MEL by 0.9 of itself and by 0.3 of NV.
    "balanced_macro_f1_grouped": ((1.8 / 2.2 + 1.2 / 1.7 + 1) / 3, (2 / 4) / 3, 40),
    "malignant_leaves_f1": ((36 / 41 + 12 / 16 + 20 / 24) / 3, 0, 40),
    "share_judged": (49 / 50, 1, 40),
    # NV: 7 of 10 at 0.7 and 2 of 40 others; AK and SCC have 0.8 together, all others 0.2.
    "macro_auc_grouped": ((540 / 600 + (7 * 38 + 7 * 2 / 2 + 3 * 38 / 2) / 400 + 1) / 3, 0.5, 40),
    # No probability reaches 0.95.
    "cancers_called_nevus": (0, 0, 40),
    "nevi_called_nevus": (0, 0, 10),
    # The ROC curve goes from (0, 0) to (0.3, 0.95) to (1, 1).
    "malignant_partial_auc": (0.15 * (1 - 0.3 * 0.875 / 0.95) + 0.05 * (1 - 0.65), 0.02, 40),
    "malignant_average_precision": (0.95 * 38 / 41 + 0.05 * 40 / 50, 40 / 50, 40),
    **{f"sensitivity_at_specificity_{least}": (0, 0, 40) for least in (80, 90, 95)},
    **{f"specificity_at_sensitivity_{least}": (0.7, 0, 10) for least in (90, 95)},
    "specificity_at_sensitivity_97": (0, 0, 10),
    # MEL 18 of 20 above 7 of 10 NV: pairs won 18 x 7, tied (both 0.7) 18 x 3 and (both 0.1) 2 x 7.
    "melanoma_auc": ((18 * 27 + 18 * 3 / 2 + 2 * 27 / 2) / (20 * 30), 0.5, 40),
    # The two melanoma photos that are missed are half of their lesions: 29 of 30 lesions above, one below.
    "malignant_auc_by_lesion": ((29 * 7 + 29 * 3 / 2 + 1 * 7 / 2) / (30 * 10), 0.5, 40),
    "malignant_auc": ((38 * 7 + 38 * 3 / 2 + 2 * 7 / 2) / (40 * 10), 0.5, 40),
    # The three less probable leaves tie at 0.1 and the first two of them count: only the four AK called SCC miss.
    "top3_accuracy": (46 / 50, 40 / 50, 40),
    "ece_top_label": (abs(41 / 50 - 0.7), abs(10 / 50 - 0.7), 40),
    # Risk 0.9 for 41 images of which 38 malignant; 0.3 for 9 of which 2; the baseline says 0.3 to all.
    "ece_malignancy_risk": (abs(38 - 41 * 0.9) / 50 + abs(2 - 9 * 0.3) / 50, abs(40 / 50 - 0.3), 40),
    "brier_leaves": ((41 * 0.12 + 9 * (0.49 + 0.81 + 0.02)) / 50, (10 * 0.12 + 40 * (0.49 + 0.81 + 0.02)) / 50, 40),
    "brier_malignancy_risk": (
        (38 * 0.01 + 3 * 0.81 + 2 * 0.49 + 7 * 0.09) / 50,
        (40 * 0.49 + 10 * 0.09) / 50,
        40,
    ),
    "melanoma_sensitivity_by_lesion": (8 / 10, 0, 10),
    "melanoma_sensitivity_by_image": (18 / 20, 0, 20),
    "malignant_sensitivity_by_lesion": (28 / 30, 0, 30),
    "malignant_sensitivity_by_image": (38 / 40, 0, 40),
    "specificity_by_lesion": (7 / 10, 1, 10),
    "specificity_by_image": (7 / 10, 1, 10),
}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return score(example(), replicates=QUICK)


def test_the_example_names_every_figure() -> None:
    assert set(EXPECTED) == {definition.key for definition in DEFINITIONS if not definition.fixed_on_calibration}


@pytest.mark.parametrize("key", EXPECTED)
def test_figures_by_hand(evaluation: Evaluation, key: str) -> None:
    figure = evaluation.subsets["all"].figures[key]
    expected, baseline, n = EXPECTED[key]
    assert figure.metric is not None
    assert figure.metric.value == pytest.approx(expected)
    assert figure.baseline == pytest.approx(baseline)
    assert figure.metric.n == n
    assert figure.unit == ("images" if figure.title.endswith("images") else "lesions")
    assert figure.metric.lower - 1e-12 <= expected <= figure.metric.upper + 1e-12


def test_classes_and_confusion_by_hand(evaluation: Evaluation) -> None:
    whole = evaluation.subsets["all"]
    assert evaluation.groups == ("MEL", "NV", "AKIEC")
    assert whole.confusion == ((18, 2, 0, 0), (3, 6, 0, 1), (0, 0, 20, 0))
    melanoma = whole.classes["MEL"]
    assert melanoma.recall.metric is not None
    assert melanoma.recall.metric.value == pytest.approx(0.9)
    for figure, expected in ((melanoma.precision, 18 / 21), (melanoma.f1, 36 / 41), (melanoma.auc, 0.9)):
        assert figure.metric is not None
        assert figure.metric.value == pytest.approx(expected)
        assert figure.metric.lower <= expected <= figure.metric.upper
    assert (melanoma.images, melanoma.recall.metric.n) == (20, 10)
    assert (whole.images, whole.lesions) == (50, 40)


def test_a_class_that_is_always_right_gets_wilsons_interval(evaluation: Evaluation) -> None:
    recall = evaluation.subsets["all"].classes["AKIEC"].recall
    assert recall.metric is not None
    assert (recall.metric.lower, recall.metric.upper) == wilson(20, 20)
    assert "Wilson" in recall.note


def test_a_benign_lesion_with_one_referred_photo_is_not_spared() -> None:
    more = example()
    again = more.where(np.arange(50) == 20)  # a nevus that was referred, now as second photo of one that was not
    columns = ("image_id", "group", "part", "truth", "probabilities", "diagnosis", "referred")
    both = {name: np.concatenate([getattr(more, name), getattr(again, name)]) for name in columns}
    both["image_id"][50], both["group"][50] = "i50", more.group[24]
    evaluation = score(replace(more, **both, subgroups={}), replicates=QUICK)
    assert value(evaluation, "specificity_by_lesion") == pytest.approx(6 / 10)
    assert value(evaluation, "specificity_by_image") == pytest.approx(7 / 11)


def test_replicates_keep_the_mix_of_classes() -> None:
    nevi_right_all_else_wrong = replace(example(), diagnosis=np.full(50, NV))
    figure = score(nevi_right_all_else_wrong, replicates=QUICK).subsets["all"].figures["accuracy_grouped"]
    assert figure.metric is not None
    assert (figure.metric.lower, figure.metric.upper) == wilson(8, 40)


def test_calibration_errors_get_the_reflected_interval(table: Predictions) -> None:
    malignant = np.array(table.header.malignant)[table.truth]
    statistic = partial(metrics.binary_ece, table.risk, malignant)
    percentiles = bootstrap({"ece": statistic}, table.group, stratum=table.truth, replicates=QUICK)["ece"]
    figure = score(table, replicates=QUICK).subsets["all"].figures["ece_malignancy_risk"]
    assert figure.metric is not None
    assert (figure.metric.lower, figure.metric.upper) == reflect(percentiles, figure.metric.value)
    assert (figure.metric.lower, figure.metric.upper) != percentiles


def test_grouped_figures_agree_with_scikit_learn(table: Predictions) -> None:
    evaluation = score(table, replicates=QUICK)
    truth, diagnosis = np.array(table.header.groups)[table.truth], np.array(table.header.groups)[table.diagnosis]
    assert value(evaluation, "balanced_accuracy_grouped") == pytest.approx(sk.balanced_accuracy_score(truth, diagnosis))
    assert value(evaluation, "macro_f1_grouped") == pytest.approx(sk.f1_score(truth, diagnosis, average="macro"))
    malignant = np.array(table.header.malignant)[table.truth]
    assert value(evaluation, "malignant_auc") == pytest.approx(sk.roc_auc_score(malignant, table.risk))
    _, lesion, photos = np.unique(table.group, return_inverse=True, return_counts=True)
    by_lesion = sk.roc_auc_score(malignant, table.risk, sample_weight=1 / photos[lesion])
    assert value(evaluation, "malignant_auc_by_lesion") == pytest.approx(by_lesion)


def test_the_auc_of_lesions_is_what_one_photo_of_each_gives_on_average(table: Predictions) -> None:
    random = np.random.default_rng(0)
    malignant = np.array(table.header.malignant)[table.truth]
    found = []
    for _ in range(400):
        order = random.permutation(len(table))
        one = order[np.unique(table.group[order], return_index=True)[1]]
        found.append(sk.roc_auc_score(malignant[one], table.risk[one]))
    doubt = np.std(found) / 20
    assert value(score(table, replicates=QUICK), "malignant_auc_by_lesion") == pytest.approx(
        np.mean(found), abs=4 * doubt
    )


def test_the_histology_subset_is_scored_alone(table: Predictions) -> None:
    confirmed = table.where(table.subgroups["confirmation"] == "histo")
    both, alone = score(table, replicates=QUICK), score(confirmed, replicates=QUICK)
    assert both.subsets["histology"] == alone.subsets["all"]
    assert both.subsets["histology"].images < both.subsets["all"].images
    unknown = replace(table, subgroups={})
    assert set(score(unknown, replicates=QUICK).subsets) == {"all"}


def test_the_seed_decides_the_intervals(table: Predictions) -> None:
    first, again, other = (score(table, replicates=QUICK, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.subsets != other.subsets
    assert value(first, "malignant_auc") == value(other, "malignant_auc")


def test_only_the_named_part_counts(table: Predictions) -> None:
    part = np.where(np.arange(len(table)) < 900, "test", "train")
    split = replace(table, part=part)
    assert score(split, replicates=QUICK) == score(table.where(part == "test"), replicates=QUICK)
    with pytest.raises(PredictionsError, match="no image in part 'tset'; parts of this table: test, train"):
        score(split, part="tset")


FIXED = {definition.key for definition in DEFINITIONS if definition.fixed_on_calibration}


def gaps(subset: Subset) -> dict[str, str]:
    """Open figures, but for those that want a calibration part."""
    return {key: figure.note for key, figure in subset.figures.items() if figure.metric is None and key not in FIXED}


def test_figures_without_evidence_are_left_open() -> None:
    table = example()
    only_nevi = gaps(score(table.where(table.truth == NV), replicates=QUICK).subsets["all"])
    assert set(only_nevi) == {
        *("balanced_accuracy_grouped", "balanced_accuracy_leaves", "macro_f1_grouped", "macro_precision_grouped"),
        *("balanced_macro_f1_grouped", "malignant_leaves_f1", "macro_auc_grouped", "cancers_called_nevus"),
        *("malignant_auc", "malignant_auc_by_lesion", "melanoma_auc"),
        *("malignant_partial_auc", "malignant_average_precision"),
        *(key for key in EXPECTED if "_at_s" in key),
        *("melanoma_sensitivity_by_lesion", "melanoma_sensitivity_by_image"),
        *("malignant_sensitivity_by_lesion", "malignant_sensitivity_by_image"),
    }
    assert only_nevi["malignant_auc"] == "insufficient evidence: 0 malignant lesions, 10 needed"

    nine_melanomas = score(table.where(table.group != "l0"), replicates=QUICK).subsets["all"]
    assert gaps(nine_melanomas).keys() == {
        *("melanoma_auc", "melanoma_sensitivity_by_lesion", "melanoma_sensitivity_by_image")
    }
    assert nine_melanomas.classes["MEL"].recall.metric is None
    assert nine_melanomas.classes["MEL"].recall.baseline is None

    three_images = score(table.where(np.arange(50) < 3), replicates=QUICK).subsets["all"]
    assert len(gaps(three_images)) == len(EXPECTED)


def test_a_taxonomy_without_melanoma_leaves_its_figures_open(table: Predictions) -> None:
    header = msgspec.structs.replace(table.header, codes=("XXX", *table.header.codes[1:]))
    open_figures = gaps(score(replace(table, header=header), replicates=QUICK).subsets["all"])
    assert set(open_figures) == {key for key in EXPECTED if key.startswith("melanoma")}


def test_without_a_prevalence_the_baseline_says_the_parts_commonest() -> None:
    table = replace(example(), header=msgspec.structs.replace(HEADER, prevalence=()))
    evaluation = score(table, replicates=QUICK)
    assert evaluation.majority.startswith("MEL")
    assert not evaluation.calibrated
    baseline = evaluation.subsets["all"].figures["accuracy_grouped"].baseline
    assert baseline == pytest.approx(20 / 50)


def test_leaks_are_refused_and_when_allowed_are_stamped(make_table: Callable[..., Predictions]) -> None:
    leaked = make_table(lesions=60, audit="leak: 3 lesions are in train and test")
    with pytest.raises(LeakedPredictions, match="3 lesions are in train and test"):
        score(leaked)
    evaluation = score(leaked, allow_leakage=True, replicates=QUICK)
    assert evaluation.leakage_allowed
    with pytest.raises(LeakedPredictions):
        evaluation.to_scorecard("epiluma evaluate predictions.csv")
    assert not score(make_table(lesions=60), allow_leakage=True, replicates=QUICK).leakage_allowed


def test_the_bundles_scorecard_has_the_defined_figures(evaluation: Evaluation) -> None:
    scorecard = evaluation.to_scorecard("epiluma evaluate example.csv")
    assert msgspec.json.decode(msgspec.json.encode(scorecard), type=bundle.Scorecard) == scorecard
    assert scorecard.metrics["all"].keys() == {key for key in EXPECTED if "_at_s" not in key}
    assert scorecard.metrics["all"]["balanced_accuracy_grouped"].value == pytest.approx(0.8333)
    few = score(example().where(np.arange(50) < 20), replicates=QUICK).to_scorecard("")
    assert "specificity_by_lesion" not in few.metrics["all"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"groups": ("MEL",)}, "'groups' has 1 values for 4"),
        ({"malignant": (True,)}, "'malignant' has 1 values for 4"),
        ({"prevalence": (0.5, 0.5)}, "'prevalence' has 2 values for 4"),
        ({"codes": ("MEL",)}, "fewer than two"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(change: dict[str, tuple[object, ...]], reason: str) -> None:
    with pytest.raises(PredictionsError, match=reason):
        score(replace(example(), header=msgspec.structs.replace(HEADER, **change)))


def test_rows_that_contradict_themselves_are_refused() -> None:
    table = example()
    negative = table.probabilities.copy()
    negative[7] = [1.2, -0.2, 0, 0]
    with pytest.raises(PredictionsError, match="image i7: probabilities must lie in 0 to 1"):
        score(replace(table, probabilities=negative))
    with pytest.raises(PredictionsError, match="listed twice"):
        score(replace(table, image_id=np.full(50, "same")))
