// How unlike its training data a photo looks to the network, as epiluma.inference.scope scores it.

/** @param {object} facts `scope` of the manifest @param {ArrayBuffer} buffer of its file */
export function openScope(facts, buffer) {
  const { features: d, components: k, centres: c } = facts;
  const sizes = [d, k * d, k * k, c * k];
  if (buffer.byteLength !== 4 * sizes.reduce((sum, size) => sum + size, 0)) throw new Error(`${facts.file}: has another length than the manifest says`);
  const view = new DataView(buffer);
  const values = Float64Array.from({ length: buffer.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
  if (!values.every(Number.isFinite)) throw new Error(`${facts.file}: holds a value that is not a finite number`);
  const parts = [];
  let at = 0;
  for (const size of sizes) parts.push(values.subarray(at, at += size));
  return { facts, score: (features, logits) => score(facts, parts, features, logits) };
}

function score(facts, [mean, basis, whitener, centres], features, logits) {
  if (features.length !== facts.features) throw new Error(`the statistics are of ${facts.features} features, not of ${features.length}`);
  const moved = Float64Array.from(features, (value, i) => value - mean[i]);
  const inside = times(basis, moved, facts.components);
  const whitened = times(whitener, inside, facts.components);
  const distances = Array.from({ length: facts.centres }, (_, c) =>
    whitened.reduce((sum, value, i) => sum + (value - centres[c * facts.components + i]) ** 2, 0));
  const leftOver = Math.max(squared(moved) - squared(inside), 0);
  const distance = Math.sqrt(Math.min(...distances) / facts.components + facts.residual_weight * leftOver / facts.residual);
  return distance + facts.energy_weight * (energy(logits) - facts.energy_mean) / facts.energy_spread;
}

const squared = (values) => values.reduce((sum, value) => sum + value * value, 0);

/** A matrix of `rows` rows times a vector. */
function times(matrix, vector, rows) {
  return Float64Array.from({ length: rows }, (_, r) => {
    let sum = 0;
    for (let i = 0, p = r * vector.length; i < vector.length; i++, p++) sum += matrix[p] * vector[i];
    return sum;
  });
}

/** Minus the logarithm of the sum of the exponentials of the logits. */
function energy(logits) {
  const largest = Math.max(...logits);
  return -(largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)));
}
