// Where the lesion is, by the bundle's own network for that, as epiluma.inference.outline finds it.
import { normalise } from "./preprocess.js";
import { resize } from "./resample.js";
import { checkAnswer, knownInput, openGraph } from "./session.js";

/** @param {import("./bundle.js").Bundle} bundle @returns null when it has no such network */
export async function openOutliner({ manifest, files }, rules) {
  const facts = manifest.outline;
  if (!facts) return null;
  const graph = await openGraph(files.get(facts.graph));
  const { size } = facts;
  const logits = async (picture) => (await graph.run(picture, size, ["masks"])).masks;

  for (const { seed, share } of facts.known_answers) {
    const found = await logits(knownInput(rules.known_grids[seed], size));
    const mean = found.reduce((sum, logit) => sum + 1 / (1 + Math.exp(-logit)), 0) / found.length;
    checkAnswer(facts.graph, [mean - share], rules);
  }

  /** @param {import("./resample.js").Raster} photo @returns {Promise<import("./preprocess.js").Mask>} of the photo's size */
  async function mask(photo) {
    const square = resize(photo, size, size, "bilinear");
    const found = await logits(normalise(square, facts.mean, facts.std));
    const levels = Uint8ClampedArray.from(found, (logit) => Math.floor(Math.fround(logit * rules.outline.LEVELS)) + 128);
    const small = { width: size, height: size, channels: 1, data: levels };
    const { width, height, data } = resize(small, photo.width, photo.height, "bilinear");
    return { width, height, data: Uint8Array.from(data, (level) => level >= 128) };
  }
  return { mask };
}
