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
  return Array.from({ length: size }, (_, i) => {
    const centre = Math.fround(from) + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support * stretch + 0.5), length);
    const shares = Float64Array.from({ length: end - first }, (_, x) => at((x + first - centre + 0.5) / stretch));
    const total = shares.reduce((sum, share) => sum + share, 0);
    return { first, shares: total ? shares.map((share) => share / total) : shares };
  });
}

const fixed = (all) =>
  all.map(({ first, shares }) => ({ first, shares: shares.map((w) => Math.trunc(w * 2 ** PRECISION + (w < 0 ? -0.5 : 0.5))) }));

/**
 * One pass along rows (step = channels) or columns. Lines are independent; `at` finds a line's first value.
 * @param {{lines: number, at: (line: number) => number, step: number, out: (line: number) => number, outStep: number}} way
 */
function pass(source, target, table, channels, way, start) {
  for (let line = 0; line < way.lines; line++) {
    const from = way.at(line);
    let to = way.out(line);
    for (const { first, shares } of table) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = start;
        for (let i = 0, p = from + first * way.step + channel; i < shares.length; i++, p += way.step) sum += source[p] * shares[i];
        target[to + channel] = start ? sum >> PRECISION : sum; // a clamped array clips what bicubic overshoots
      }
      to += way.outStep;
    }
  }
}

/**
 * A box of a raster resized with antialiasing. 8-bit rasters (Uint8ClampedArray) stay so; others become Float32Array.
 * @param {Raster} raster @param {number} width @param {number} height @param {string} filter @param {Corners} [box]
 * @returns {Raster}
 */
export function resize(raster, width, height, filter, box = [0, 0, raster.width, raster.height]) {
  const { channels } = raster;
  const bytes = raster.data instanceof Uint8ClampedArray;
  const Kind = bytes ? Uint8ClampedArray : Float32Array;
  const start = bytes ? 2 ** (PRECISION - 1) : 0;
  const prepared = bytes ? fixed : (table) => table;
  const along = prepared(weights(raster.width, box[0], box[2], width, filter));
  const down = weights(raster.height, box[1], box[3], height, filter);
  const top = down[0].first;
  const bottom = down[height - 1].first + down[height - 1].shares.length;

  let { data } = raster;
  let skipped = 0;
  let row = raster.width * channels;
  if (width !== raster.width || box[0] || box[2] !== width) {
    const narrow = new Kind(width * (bottom - top) * channels);
    pass(data, narrow, along, channels, {
      lines: bottom - top, at: (y) => (y + top) * raster.width * channels, step: channels,
      out: (y) => y * width * channels, outStep: channels,
    }, start);
    [data, skipped, row] = [narrow, top, width * channels];
  }
  if (height !== raster.height || box[1] || box[3] !== height) {
    const small = new Kind(width * height * channels);
    pass(data, small, prepared(down), channels, {
      lines: width, at: (x) => x * channels - skipped * row, step: row,
      out: (x) => x * channels, outStep: width * channels,
    }, start);
    data = small;
  }
  return { width, height, channels, data };
}
