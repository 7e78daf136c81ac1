// What to do about a mark, as epiluma.inference.recommend says it: symptoms raise the level and never lower it.
import { expectedHarm, malignancyRisk, refers } from "./decide.js";

/** @typedef {"no_sign" | "recheck" | "cannot_judge" | "refer" | "urgent"} Level */

/** Whether the answer lies in the abstention band, and nothing but the risk would refer. */
export function isUncertain(probabilities, diagnosis, manifest, rules) {
  const { leaves } = manifest.taxonomy;
  const band = manifest.abstention;
  if (!band || refers(probabilities, diagnosis, Infinity, leaves, rules.decide.COST)) return false;
  const risk = malignancyRisk(probabilities, leaves);
  return risk > band.lower && risk < band.upper;
}

/** @returns {Level} */
export function levelOf(probabilities, diagnosis, manifest, rules) {
  if (isUncertain(probabilities, diagnosis, manifest, rules)) return "cannot_judge";
  const { leaves } = manifest.taxonomy;
  const { COST } = rules.decide;
  const { URGENT_PROBABILITY, RECHECK_HARM } = rules.recommend;
  if (refers(probabilities, diagnosis, manifest.operating_point.threshold, leaves, COST)) {
    const urgent = leaves.map((leaf) => leaf.malignant && leaf.urgency === "urgent");
    const together = probabilities.reduce((sum, p, i) => sum + (urgent[i] ? p : 0), 0);
    return urgent[diagnosis] || together >= URGENT_PROBABILITY ? "urgent" : "refer";
  }
  return expectedHarm(probabilities, leaves, COST) >= RECHECK_HARM ? "recheck" : "no_sign";
}

/** @param {Level} level of the photo @param {string[]} symptoms @returns {{level: Level, weeks: ?number, alarming: boolean}} */
export function withSymptoms(level, symptoms, { LEVELS, ALARMING, WEEKS }) {
  const alarming = ALARMING.some((symptom) => symptoms.includes(symptom));
  const raised = alarming && LEVELS.indexOf("refer") > LEVELS.indexOf(level) ? "refer" : level;
  return { level: raised, weeks: WEEKS[raised] ?? null, alarming };
}
