// The gate before the verdict, as epiluma.inference.gate has it: what breaks, or is no finite number, refuses.
import { measureCover, measureFraming } from "./framing.js";

/** @typedef {{code: string, severity: "refuse" | "note", reason: string, action: string, value?: number, threshold?: number}} Finding */

/**
 * All findings of a photo, refusals first, and its score of scope.
 * @param {import("./resample.js").Raster} photo @param {?import("./preprocess.js").Mask} mask
 * @param {?{logits: Float32Array, own: Float32Array, features: ?Float32Array}} answer null when the quality kept it from the network
 * @returns {{findings: Finding[], score: ?number, passes: boolean}}
 */
export function check(photo, mask, quality, answer, scope, rules) {
  const finding = speaker(rules.gate.WORDS);
  const findings = checkPhoto(photo, mask, quality, rules, finding);
  const scoped = !answer && !quality.usable ? { score: null, found: [] } : checkScope(answer, scope, finding);
  findings.push(...scoped.found);
  findings.sort((a, b) => (a.severity !== "refuse") - (b.severity !== "refuse"));
  return { findings, score: scoped.score, passes: !findings.some((found) => found.severity === "refuse") };
}

function speaker(words) {
  return (code, value, threshold) => {
    const [severity, reason, action] = words[code];
    return { code, severity, reason, action, value, threshold };
  };
}

function checkPhoto(photo, mask, quality, rules, finding) {
  const found = [];
  if (!quality.usable) found.push({ ...finding("quality"), reason: quality.reasons.join(" ") || finding("cannot_judge").reason });
  if (![quality.sharpness, quality.brightness, quality.contrast].every(Number.isFinite)) found.push(finding("cannot_judge"));
  if (mask) found.push(...guarded(() => framingFindings(measureFraming(mask, rules.framing), rules.gate, finding), finding));
  found.push(...guarded(() => coverFindings(measureCover(photo, mask, rules.framing), rules.gate, finding), finding));
  return found;
}

/** The findings of a check, or a refusal when it breaks. */
function guarded(work, finding) {
  try { return work(); } catch { return [finding("cannot_judge")]; }
}

export function framingFindings({ area, outside, contact, lesions }, bounds, finding) {
  if (![area, outside, contact].every(Number.isFinite)) return [finding("cannot_judge")];
  if (area < bounds.MIN_AREA) return [finding("no_lesion", area, bounds.MIN_AREA)];
  const found = above("several_lesions", lesions, 2, finding);
  if (area < bounds.SMALL_AREA) found.push(finding("lesion_small", area, bounds.SMALL_AREA));
  found.push(...above("lesion_large", area, bounds.LARGE_AREA, finding));
  const touching = above("lesion_cut", contact, bounds.MIN_CONTACT, finding);
  return [...found, ...(touching.length ? touching : above("lesion_cut", outside, bounds.MAX_OUTSIDE, finding))];
}

function coverFindings({ skin, ink, hair }, bounds, finding) {
  if (![skin, ink, hair].every(Number.isFinite)) return [finding("cannot_judge")];
  const found = skin < bounds.MIN_SKIN ? [finding("not_skin", skin, bounds.MIN_SKIN)] : [];
  return [...found, ...above("ink", ink, bounds.MIN_INK, finding), ...above("hair", hair, bounds.MIN_HAIR, finding)];
}

function checkScope(answer, scope, finding) {
  const refusal = { score: null, found: [finding("cannot_judge")] };
  try {
    if (!answer || !answer.own.every(Number.isFinite)) return refusal;
    if (!scope) return { score: null, found: [] };
    if (!answer.features) return refusal;
    const score = scope.score(answer.features, answer.own);
    const { threshold } = scope.facts;
    if (![score, threshold].every(Number.isFinite)) return refusal;
    return { score, found: score > threshold ? [finding("out_of_scope", score, threshold)] : [] };
  } catch {
    return refusal;
  }
}

function above(code, value, threshold, finding) {
  if (!Number.isFinite(value)) return [finding("cannot_judge")];
  return value >= threshold ? [finding(code, value, threshold)] : [];
}
