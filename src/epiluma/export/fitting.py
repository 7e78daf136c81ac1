"""Everything that is fitted on the outputs of one graph, on the calibration part: called for each graph that ships."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from epiluma.bundle import DecisionRule, Fitted, OperatingPoint
from epiluma.evaluation.abstention import fit_abstention
from epiluma.evaluation.calibration import fit_calibration
from epiluma.evaluation.conformal import fit_conformal
from epiluma.evaluation.metrics import Bools, Floats
from epiluma.evaluation.operating_points import choose_operating_point, most_accurate_point
from epiluma.evaluation.view import MELANOMA
from epiluma.export.config import Shipping
from epiluma.inference import decide
from epiluma.taxonomy import Taxonomy


def decision_rule(shipping: Shipping, taxonomy: Taxonomy) -> DecisionRule:
    """The recipe's rule with a cost for every leaf. Raises UnknownDiagnosis for a code that the taxonomy lacks."""
    cost = {taxonomy[code].code: value for code, value in shipping.cost.items()}
    return DecisionRule(prior_power=shipping.prior_power, cost=tuple(cost.get(code, 1.0) for code in taxonomy.codes))


def fit(
    logits: npt.NDArray[np.floating],
    truth: npt.NDArray[np.intp],
    group: npt.NDArray[np.generic],
    *,
    judged: npt.NDArray[np.bool_],
    taxonomy: Taxonomy,
    prevalence: npt.NDArray[np.float64],
    prevalence_source: str,
    rule: DecisionRule,
    shipping: Shipping,
) -> Fitted:
    """Calibration, operating points, sets and abstention band of a graph that gave (n, leaves) `logits`.

    `truth` (n,) indexes leaves, `group` (n,) names lesions, `judged` (n,) marks photos that the runtime would score:
    all images make the probabilities and the referral threshold, the judged ones alone what is said of judged photos.
    The referral threshold protects melanomas, or everything malignant where the taxonomy has no melanoma. Raises
    TooFewLesions.
    """
    calibration = fit_calibration(
        logits,
        truth,
        group,
        prevalence=prevalence,
        prevalence_source=prevalence_source,
        method=shipping.calibration,
    )
    malignant = np.array(taxonomy.malignant, bool)
    probabilities = decide.probabilities_from_logits(logits, calibration)
    risk = decide.malignancy_risk(probabilities, taxonomy)
    diagnosis = decide.diagnose(probabilities, rule, calibration)
    called = malignant[diagnosis]
    anyway = decide.refers(probabilities, diagnosis, np.inf, taxonomy)
    point = _referral(risk, anyway, truth, group, taxonomy=taxonomy, shipping=shipping)
    return Fitted(
        calibration=calibration,
        operating_point=point,
        accuracy_point=most_accurate_point(risk[judged], malignant[truth][judged]),
        conformal=fit_conformal(
            probabilities[judged], truth[judged], group[judged], taxonomy.malignant, coverage=shipping.coverage
        )
        if shipping.coverage
        else None,
        abstention=fit_abstention(
            risk[judged],
            called[judged],
            malignant[truth][judged],
            group[judged],
            threshold=point.threshold,
            max_share=shipping.abstain,
        )
        if shipping.abstain
        else None,
    )


def _referral(
    risk: Floats,
    anyway: Bools,
    truth: npt.NDArray[np.intp],
    group: npt.NDArray[np.generic],
    *,
    taxonomy: Taxonomy,
    shipping: Shipping,
) -> OperatingPoint:
    malignant = np.array(taxonomy.malignant, bool)[truth]
    melanoma = MELANOMA in taxonomy.codes
    return choose_operating_point(
        risk,
        truth == taxonomy.index(MELANOMA) if melanoma else malignant,
        ~malignant,
        group,
        sensitivity=shipping.sensitivity,
        lower_bound=shipping.lower_bound,
        also_referred=anyway,
        protected="melanoma" if melanoma else "malignant",
    )
