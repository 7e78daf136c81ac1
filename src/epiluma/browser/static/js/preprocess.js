// From a photo to the network's input, as epiluma.imaging.preprocess does it.
import { resize } from "./resample.js";

/** @typedef {import("./resample.js").Raster} Raster */
/** @typedef {{left: number, top: number, side: number}} Box a square of a photo, pixels */
/** @typedef {{width: number, height: number, data: Uint8Array}} Mask 1 on the lesion */

/** The largest centred square. @returns {Box} */
export function centredBox(width, height) {
  const side = Math.min(width, height);
  return { left: (width - side) / 2, top: (height - side) / 2, side };
}

/** @param {Box} box @returns {import("./resample.js").Corners} */
export const corners = ({ left, top, side }) => [left, top, left + side, top + side];

/**
 * The square around what a mask marks, as far as the photo reaches; centred when it marks nothing.
 * @param {Mask} mask @param {{margin: number, least: number}} crop @param {number} specks @returns {Box}
 */
export function lesionBox({ width, height, data }, { margin, least }, specks) {
  const columns = new Uint32Array(width);
  const rows = new Uint32Array(height);
  let total = 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) if (data[i]) { columns[x]++; rows[y]++; total++; }
  }
  if (!total) return centredBox(width, height);
  const [left, right] = bounds(columns, total, specks);
  const [top, bottom] = bounds(rows, total, specks);
  const shorter = Math.min(width, height);
  const wanted = Math.max(right - left, bottom - top) * (1 + 2 * margin);
  const side = Math.max(least * shorter, Math.min(wanted, shorter));
  return {
    left: Math.min(Math.max((left + right - side) / 2, 0), width - side),
    top: Math.min(Math.max((top + bottom - side) / 2, 0), height - side),
    side,
  };
}

/** First and one past the last place, without the share of specks at either end. */
function bounds(counts, total, specks) {
  let sum = 0;
  const reached = Array.from(counts, (count) => (sum += count));
  return [reached.findIndex((n) => n >= specks * total), reached.findIndex((n) => n >= (1 - specks) * total) + 1];
}

/** A square of an RGB photo, (size, size). @param {Raster} photo @param {Box} [box] @returns {Raster} */
export function toSquare(photo, size, interpolation = "bilinear", box = centredBox(photo.width, photo.height)) {
  return resize(photo, size, size, interpolation, corners(box));
}

/**
 * 8-bit RGB square -> (3, S, S) float32, every step in single precision as numpy takes it.
 * @param {Raster} square @param {number[]} mean @param {number[]} std @returns {Float32Array}
 */
export function normalise(square, mean, std) {
  const plane = square.width * square.height;
  const result = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const spread = Math.fround(std[channel]);
    const scale = Math.fround(1 / Math.fround(255 * spread));
    const shift = Math.fround(-Math.fround(mean[channel]) / spread);
    for (let i = 0; i < plane; i++) {
      result[channel * plane + i] = Math.fround(square.data[3 * i + channel] * scale) + shift;
    }
  }
  return result;
}
