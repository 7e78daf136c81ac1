// From logits to probabilities, a diagnosis and a referral, as epiluma.inference.decide does it.

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** @param {ArrayLike<number>} logits @returns {number[]} */
export function probabilitiesFromLogits(logits, calibration) {
  let scaled = Array.from(logits, (logit) => logit / calibration.temperature);
  if (calibration.method === "vector") scaled = logSoftmax(scaled).map((value, i) => value * calibration.scale[i] + calibration.bias[i]);
  else if (calibration.method !== "temperature") throw new Error(`calibration method ${calibration.method} is not known`);
  const largest = Math.max(...scaled);
  const exponents = scaled.map((value) => Math.exp(value - largest));
  const total = sum(exponents);
  return exponents.map((value) => value / total);
}

function logSoftmax(scores) {
  const largest = Math.max(...scores);
  const rest = Math.log(sum(scores.map((value) => Math.exp(value - largest))));
  return scores.map((value) => value - largest - rest);
}

/** Index of the leaf with the largest p / prevalence^prior_power * cost. */
export function diagnose(probabilities, rule, calibration) {
  const worth = probabilities.map((p, i) => p * rule.cost[i] / Math.max(calibration.prevalence[i], 1e-9) ** rule.prior_power);
  return worth.indexOf(Math.max(...worth));
}

export const malignancyRisk = (probabilities, leaves) => sum(probabilities.filter((_, i) => leaves[i].malignant));

export function expectedHarm(probabilities, leaves, cost) {
  return sum(probabilities.map((p, i) => (leaves[i].malignant ? p * cost[leaves[i].urgency] : 0)));
}

/** Whether the risk reaches the threshold, the diagnosis is malignant, or the harm is that of a needless visit. */
export function refers(probabilities, diagnosis, threshold, leaves, cost) {
  return malignancyRisk(probabilities, leaves) >= threshold || leaves[diagnosis].malignant
    || expectedHarm(probabilities, leaves, cost) >= 1;
}
