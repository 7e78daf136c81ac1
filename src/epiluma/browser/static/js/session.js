// The bundle's networks in onnxruntime-web, on one thread, checked against their known answers at the start.
import * as ort from "../runtime/ort.wasm.min.mjs";
import { probabilitiesFromLogits } from "./decide.js";

ort.env.wasm.numThreads = 1; // more would need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;

const GRID = 8;
const MIRRORS = [[false, false], [false, true], [true, false], [true, true]];

/** (3, size, size), smooth: the grid of a known input, bilinearly enlarged. @param {number[]} grid (3, 8, 8) */
export function knownInput(grid, size) {
  const places = Array.from({ length: size }, (_, i) => {
    const position = i * ((GRID - 1) / Math.max(size - 1, 1));
    const low = Math.min(Math.trunc(position), GRID - 2);
    return { low, part: position - low };
  });
  const result = new Float32Array(3 * size * size);
  let k = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (const { low: y, part: down } of places) {
      const row = Array.from({ length: GRID }, (_, x) => {
        const at = (channel * GRID + y) * GRID + x;
        return grid[at] * (1 - down) + grid[at + GRID] * down;
      });
      for (const { low: x, part } of places) result[k++] = row[x] * (1 - part) + row[x + 1] * part;
    }
  }
  return result;
}

/** A graph that takes one picture after the other, or several at once. @param {ArrayBuffer} graph */
export async function openGraph(graph) {
  const session = await ort.InferenceSession.create(new Uint8Array(graph), { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  return {
    outputs: session.outputNames,
    /** @param {Float32Array} pictures (n, 3, size, size) @param {string[]} names @returns {Promise<Record<string, Float32Array>>} */
    async run(pictures, size, names) {
      const image = new ort.Tensor("float32", pictures, [pictures.length / (3 * size * size), 3, size, size]);
      const found = await session.run({ image }, names);
      return Object.fromEntries(names.map((name) => [name, finite(found[name].data)]));
    },
  };
}

function finite(values) {
  if (!values.every(Number.isFinite)) throw new Error("the network gave a value that is not a finite number");
  return values;
}

/** The classifier of a bundle. @param {import("./bundle.js").Bundle} bundle @param {object} rules */
export async function openSession({ manifest, files }, rules) {
  const graph = await openGraph(files.get(manifest.graph));
  const { size } = manifest.preprocessing;
  const leaves = manifest.taxonomy.leaves.length;
  const scoped = manifest.scope?.output ?? "features"; // what the scope's statistics are of
  const names = graph.outputs.filter((name) => name === "logits" || name === scoped);

  /** `features` are the output that the scope is of. @param {Float32Array} picture (3, S, S)
   * @returns {Promise<{logits: number[], own: Float32Array, features: ?Float32Array}>} */
  async function look(picture) {
    const views = manifest.views;
    const found = await graph.run(inViews(picture, size, views), size, names);
    if (found.logits?.length !== views * leaves) throw new Error(`${manifest.graph}: gives another number of logits than the manifest says`);
    const { logits, [scoped]: features } = found;
    return { logits: mean(logits, views), own: logits.slice(0, leaves), features: features?.slice(0, features.length / views) ?? null };
  }

  for (const { seed, probabilities } of manifest.known_answers) {
    const { logits } = await look(knownInput(rules.known_grids[seed], size));
    const found = probabilitiesFromLogits(logits, manifest.calibration);
    checkAnswer(manifest.graph, found.map((p, i) => p - probabilities[i]), rules);
  }
  return { look };
}

/** Throws when this device computes something else than the bundle's maker did. */
export function checkAnswer(name, differences, { session: { TOLERANCE } }) {
  if (!differences.every((difference) => Math.abs(difference) <= TOLERANCE)) {
    throw new Error(`${name}: this device or browser does not compute the network faithfully`);
  }
}

/** The picture as it is and, with 4 views, its mirror images. */
function inViews(picture, size, views) {
  if (views === 1) return picture;
  if (views !== MIRRORS.length) throw new Error(`${views} views are not known`);
  const all = new Float32Array(views * picture.length);
  MIRRORS.forEach(([down, along], view) => {
    for (let i = 0; i < picture.length; i++) {
      const [x, y, plane] = [i % size, Math.floor(i / size) % size, i - i % (size * size)];
      all[view * picture.length + plane + (down ? size - 1 - y : y) * size + (along ? size - 1 - x : x)] = picture[i];
    }
  });
  return all;
}

/** Over the views, row by row. */
function mean(values, views) {
  const length = values.length / views;
  return Array.from({ length }, (_, i) => {
    let sum = 0;
    for (let view = 0; view < views; view++) sum += values[view * length + i];
    return sum / views;
  });
}
