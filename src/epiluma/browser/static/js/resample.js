// Pillow's Image.resize, to the bit: the same coefficients, the same fixed point, the same order of the two passes.
// Source of the steps: src/libImaging/Resample.c of Pillow (MIT-CMU).

/** @typedef {{width: number, height: number, channels: number, data: ArrayLike<number>}} Raster */
/** @typedef {[number, number, number, number]} Corners left, top, right, bottom */

const PRECISION = 22; // 32 bits less 8 of a pixel and 2 of headroom

const FILTERS = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, at: cubic },
};

function cubic(signed) {
  const x = Math.abs(signed);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** For each of `size` outputs, where its inputs start and how much each weighs. */
function weights(length, from, to, size, filter) {
  const { support, at } = FILTERS[filter];
  const scale = Math.fround(Math.fround(to) - Math.fround(from)) / size; // Pillow keeps the box in single precision
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length: size }, (_, i) => {
    const centre = Math.fround(from) + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), length);
    const shares = Array.from({ length: end - first }, (_, x) => at((x + first - centre + 0.5) * (1 / stretch)));
    const total = shares.reduce((sum, share) => sum + share, 0);
    return { first, shares: total ? shares.map((share) => share / total) : shares };
  });
}

const fixed = (table) =>
  table.map(({ first, shares }) => ({ first, shares: shares.map((w) => Math.trunc(w * 2 ** PRECISION + (w < 0 ? -0.5 : 0.5))) }));

/** One pass: along the rows, or down the columns. @param {Raster} raster @returns {Raster} */
function pass(raster, along, size, from, to, filter) {
  const { channels, data: source } = raster;
  const bytes = source instanceof Uint8ClampedArray; // which also clips what bicubic overshoots
  const table = weights(along ? raster.width : raster.height, from, to, size, filter);
  const [width, height] = along ? [size, raster.height] : [raster.width, size];
  const data = new (bytes ? Uint8ClampedArray : Float32Array)(width * height * channels);
  const step = along ? channels : raster.width * channels;
  const start = bytes ? 2 ** (PRECISION - 1) : 0;
  (bytes ? fixed(table) : table).forEach(({ first, shares }, i) => {
    for (let line = 0; line < (along ? height : width); line++) {
      const begin = along ? line * raster.width * channels : line * channels;
      const out = along ? (line * width + i) * channels : (i * width + line) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = start;
        for (let k = 0, p = begin + first * step + channel; k < shares.length; k++, p += step) sum += source[p] * shares[k];
        data[out + channel] = bytes ? sum >> PRECISION : sum;
      }
    }
  });
  return { width, height, channels, data };
}

/**
 * A box of a raster resized with antialiasing. 8-bit rasters (Uint8ClampedArray) stay so; others become Float32Array.
 * @param {Raster} raster @param {number} width @param {number} height @param {string} filter @param {Corners} [box]
 * @returns {Raster}
 */
export function resize(raster, width, height, filter, box = [0, 0, raster.width, raster.height]) {
  const [left, top, right, bottom] = box;
  const passes = [];
  if (width !== raster.width || left || right !== width) passes.push((part) => pass(part, true, width, left, right, filter));
  if (height !== raster.height || top || bottom !== height) passes.push((part) => pass(part, false, height, top, bottom, filter));
  // As Pillow 13 does: down the columns first where that saves most.
  const [less, fewer] = [raster.width - width, raster.height - height];
  if (fewer > 0 && fewer > 2 * less) passes.reverse();
  return passes.reduce((part, next) => next(part), raster);
}
