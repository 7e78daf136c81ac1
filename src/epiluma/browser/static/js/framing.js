// Where the lesion lies in a photo, and what lies on it, as epiluma.imaging.framing measures it.
import { centredBox, corners } from "./preprocess.js";
import { resize } from "./resample.js";

/** @typedef {import("./preprocess.js").Mask} Mask */

/** @param {Mask} mask @returns {{area: number, outside: number, contact: number, lesions: number}} */
export function measureFraming(mask, { GRID, ISLAND, MOST }) {
  const square = squareOf(mask);
  const side = square.width;
  const inside = count(square.data);
  const total = count(mask.data);
  let edge = 0;
  for (let i = 0; i < side; i++) edge += square.data[i] + square.data[(side - 1) * side + i];
  for (let i = 1; i < side - 1; i++) edge += square.data[i * side] + square.data[i * side + side - 1];
  const sizes = pieceSizes(shrunk(square, GRID));
  return {
    area: inside / side ** 2,
    outside: total ? 1 - inside / total : 0,
    contact: edge / (4 * side - 4),
    lesions: Math.min(MOST, sizes.filter((size) => size >= ISLAND * GRID ** 2).length),
  };
}

/** @param {import("./resample.js").Raster} photo @param {?Mask} mask */
export function measureCover(photo, mask, bounds) {
  const side = bounds.SIDE;
  const { data } = resize(photo, side, side, "box", corners(centredBox(photo.width, photo.height)));
  const where = mask ? shrunk(squareOf(mask), side).data : middle(side);
  const hairs = darkLines(greyOf(data), side, bounds);
  const on = count(where);
  return {
    skin: skinShare(data, bounds),
    ink: count(inkOf(data, side, bounds)) / side ** 2,
    hair: on ? hairs.reduce((sum, hair, i) => sum + (hair & where[i]), 0) / on : 0,
  };
}

const count = (marks) => marks.reduce((sum, mark) => sum + mark, 0);

/** The largest centred square. @param {Mask} mask @returns {Mask} */
function squareOf({ width, height, data }) {
  const side = Math.min(width, height);
  const [top, left] = [(height - side) >> 1, (width - side) >> 1];
  const square = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) square.set(data.subarray((top + y) * width + left, (top + y) * width + left + side), y * side);
  return { width: side, height: side, data: square };
}

/** (side, side) of a square mask, the nearest pixels. */
function shrunk({ width, data }, side) {
  const at = Uint32Array.from({ length: side }, (_, i) => (i + 0.5) * (width / side));
  return { width: side, height: side, data: Uint8Array.from({ length: side * side }, (_, i) => data[at[Math.floor(i / side)] * width + at[i % side]]) };
}

function middle(side) {
  const inner = (i) => i >= side / 4 && i < side - side / 4;
  return Uint8Array.from({ length: side * side }, (_, i) => inner(Math.floor(i / side)) && inner(i % side));
}

/** Pixels of each piece; those that touch along a side or at a corner hang together. */
function pieceSizes({ width, height, data }) {
  const left = data.slice();
  const sizes = [];
  for (let start = 0; start < left.length; start++) {
    if (!left[start]) continue;
    const waiting = [start];
    left[start] = 0;
    let size = 0;
    while (waiting.length) {
      const i = waiting.pop();
      const [x, y] = [i % width, Math.floor(i / width)];
      size++;
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          if (left[v * width + u]) { left[v * width + u] = 0; waiting.push(v * width + u); }
        }
      }
    }
    sizes.push(size);
  }
  return sizes;
}

function greyOf(rgb) {
  return Uint8Array.from({ length: rgb.length / 3 }, (_, i) => (2 * rgb[3 * i] + 5 * rgb[3 * i + 1] + rgb[3 * i + 2]) >> 3);
}

function skinShare(rgb, { DARK, GLARE }) {
  let [lit, possible] = [0, 0];
  for (let i = 0; i < rgb.length; i += 3) {
    const [red, green, blue] = [rgb[i], rgb[i + 1], rgb[i + 2]];
    if (Math.max(red, green, blue) <= DARK || Math.min(red, green, blue) >= GLARE) continue;
    lit++;
    possible += 10 * red >= 9 * green && 5 * red >= 4 * blue;
  }
  return lit ? possible / lit : 0;
}

function inkOf(rgb, side, { INK_DISTANCE }) {
  const bluer = middleOf(rgb, side, 2) + INK_DISTANCE;
  const greener = middleOf(rgb, side, 1) + INK_DISTANCE;
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const [red, green, blue] = [rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]];
    const [strongest, weakest] = [Math.max(red, green, blue), Math.min(red, green, blue)];
    const saturated = strongest >= 80 && 10 * (strongest - weakest) >= 3 * strongest && red < strongest;
    return saturated && (blue - red >= bluer || green - red >= greener);
  });
}

/** Median over every fourth row and column of how much stronger a channel is than red. */
function middleOf(rgb, side, channel) {
  const values = [];
  for (let y = 0; y < side; y += 4) for (let x = 0; x < side; x += 4) values.push(rgb[3 * (y * side + x) + channel] - rgb[3 * (y * side + x)]);
  values.sort((a, b) => a - b);
  const half = values.length / 2;
  return Math.trunc((values[Math.ceil(half) - 1] + values[Math.floor(half)]) / 2);
}

/** Dark lines, filled by a closing along a line that crosses them. */
function darkLines(grey, side, { HAIR_REACH, HAIR_DEPTH }) {
  const pad = 2 * HAIR_REACH;
  const wide = side + 2 * pad;
  const inner = (i) => Math.min(Math.max(i - pad, 0), side - 1);
  const padded = Uint8Array.from({ length: wide * wide }, (_, i) => grey[inner(Math.floor(i / wide)) * side + inner(i % wide)]);
  const highest = grey.slice();
  for (const [down, along] of [[0, 1], [1, 0], [1, 1], [1, -1]]) {
    const dilated = alongLine(padded, wide, down, along, HAIR_REACH, Math.max);
    const closed = alongLine(dilated, wide - pad, down, along, HAIR_REACH, Math.min);
    closed.forEach((value, i) => { highest[i] = Math.max(highest[i], value); });
  }
  return highest.map((value, i) => value - grey[i] >= HAIR_DEPTH);
}

/** The extreme over 2 x reach + 1 pixels in one direction, of all but the outermost `reach` pixels. */
function alongLine(image, wide, down, along, reach, extreme) {
  const side = wide - 2 * reach;
  const step = down * wide + along;
  const result = new Uint8Array(side * side);
  for (let y = 0, k = 0; y < side; y++) {
    for (let x = 0, i = (y + reach) * wide + reach; x < side; x++, i++, k++) {
      let best = image[i];
      for (let s = -reach; s <= reach; s++) best = extreme(best, image[i + s * step]);
      result[k] = best;
    }
  }
  return result;
}
