// A photo goes in, a screening comes out, as epiluma.inference.screen makes it.
import { openBundle } from "./bundle.js";
import { diagnose, malignancyRisk, probabilitiesFromLogits } from "./decide.js";
import { decode } from "./decode.js";
import { check } from "./gate.js";
import { openOutliner } from "./outline.js";
import { centredBox, lesionBox, normalise, toSquare } from "./preprocess.js";
import { gradeQuality } from "./quality.js";
import { levelOf, withSymptoms } from "./recommend.js";
import { openScope } from "./scope.js";
import { openSession } from "./session.js";

/**
 * @typedef {object} Screening
 * @property {?string} diagnosis code; null for a photo that is not judged
 * @property {Record<string, number>} probabilities by code; empty for a photo that is not judged
 * @property {?number} risk
 * @property {import("./recommend.js").Level} level of the photo alone; `recommendation` adds what is reported
 * @property {import("./gate.js").Finding[]} findings
 * @property {import("./quality.js").Quality} quality
 * @property {?number} score of scope
 * @property {?import("./preprocess.js").Mask} mask
 * @property {import("./resample.js").Raster} photo @property {number} width @property {number} height
 */

export class Screener {
  /** The bundle beside the page, opened and checked. Throws when anything of it is not as it should be. */
  static async open() {
    const [bundle, rules] = await Promise.all([openBundle(), fetch("rules.json").then((answer) => answer.json())]);
    const screener = new Screener();
    const { scope } = bundle.manifest;
    screener.scope = scope ? openScope(scope, bundle.files.get(scope.file)) : null;
    screener.session = await openSession(bundle, rules);
    screener.outliner = await openOutliner(bundle, rules);
    return Object.assign(screener, { manifest: bundle.manifest, id: bundle.id, rules });
  }

  /**
   * Throws PhotoError for a file that cannot be read.
   * @param {Blob} file @param {(step: number, steps: number) => unknown} [progress] awaited before each step
   * @returns {Promise<Screening>}
   */
  async screen(file, progress = () => {}) {
    const { manifest, rules } = this;
    await progress(0, 3);
    const decoded = await decode(file, this.decodedSide(), rules);
    const photo = decoded.image;
    const quality = gradeQuality(decoded, rules.quality);
    await progress(1, 3);
    const mask = this.outliner ? await this.outliner.mask(photo) : null;
    await progress(2, 3);
    const answer = quality.usable ? await this.look(photo, mask) : null;
    const { findings, score, passes } = check(photo, mask, quality, answer, this.scope, rules);
    const verdict = passes && answer ? judged(answer.logits, manifest, rules) : UNJUDGED;
    return { ...verdict, findings, score, quality, mask, photo, width: decoded.width, height: decoded.height };
  }

  /** What to do, with what the person reports. @param {Screening} screening @param {string[]} symptoms */
  recommendation(screening, symptoms) {
    return withSymptoms(screening.level, symptoms, this.rules.recommend);
  }

  look(photo, mask) {
    const { preprocessing: { size, interpolation = "bilinear", mean, std }, crop } = this.manifest;
    const box = crop && mask ? lesionBox(mask, crop, this.rules.preprocess.SPECKS) : centredBox(photo.width, photo.height);
    return this.session.look(normalise(toSquare(photo, size, interpolation, box), mean, std));
  }

  /** Of a photo's shorter side, pixels: as many as its quality and any square of it need. */
  decodedSide() {
    const { preprocessing: { size }, crop } = this.manifest;
    const shorter = crop?.least ? Math.ceil(size / crop.least) : size;
    return Math.max(this.rules.quality.SIDE, Math.ceil(this.rules.view.SPARE * shorter));
  }
}

const UNJUDGED = { diagnosis: null, probabilities: {}, risk: null, level: "cannot_judge" };

/** The verdict from the network's logits; none when the answer lies in the bundle's abstention band. */
function judged(logits, manifest, rules) {
  const { leaves } = manifest.taxonomy;
  const probabilities = probabilitiesFromLogits(logits, manifest.calibration);
  if (!probabilities.every(Number.isFinite)) throw new Error("the probabilities are not finite numbers");
  const index = diagnose(probabilities, manifest.decision, manifest.calibration);
  const level = levelOf(probabilities, index, manifest, rules);
  if (level === "cannot_judge") return UNJUDGED;
  return {
    diagnosis: leaves[index].code,
    probabilities: Object.fromEntries(leaves.map((leaf, i) => [leaf.code, probabilities[i]])),
    risk: malignancyRisk(probabilities, leaves),
    level,
  };
}
