// From a file to an upright RGB photo, by the browser's own decoder.
import { PhotoError, checkContainer } from "./container.js";

/** @typedef {{image: import("./resample.js").Raster, width: number, height: number}} Decoded
 *  `width` and `height` are the file's, upright; `image` is smaller when a JPEG was reduced. */

const STRIP = 2 ** 22; // pixels read at a time: phones refuse one canvas for a whole large photo

/**
 * Throws PhotoError. A JPEG is reduced to 1/2, 1/4 or 1/8 as long as its shorter side keeps twice `shorterSide`.
 * @param {Blob} file @param {number} shorterSide @param {object} rules @returns {Promise<Decoded>}
 */
export async function decode(file, shorterSide, rules) {
  if (!file.size) throw new PhotoError("The file is empty.");
  if (file.size > rules.decode.MAX_BYTES) throw new PhotoError("This photo is too large.");
  const format = checkContainer(new Uint8Array(await file.arrayBuffer()), rules.claims);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" })
    .catch(() => { throw new PhotoError(rules.claims.DAMAGED); });
  try {
    const { width, height } = bitmap;
    const { MAX_PIXELS, MAX_SIDE } = rules.decode;
    if (width * height > MAX_PIXELS[format] || Math.max(width, height) > MAX_SIDE) throw new PhotoError("This photo is too large.");
    return { image: pixels(bitmap, format === "JPEG" ? reduction(width, height, 2 * shorterSide) : 1), width, height };
  } finally {
    bitmap.close();
  }
}

/** As Pillow's `draft` chooses it. */
function reduction(width, height, least) {
  const most = Math.min(Math.floor(width / least), Math.floor(height / least));
  return [8, 4, 2].find((factor) => factor <= most) ?? 1;
}

/** RGB of a bitmap, each pixel the mean of a block of factor x factor; what is transparent becomes white. */
function pixels(bitmap, factor) {
  const [width, height] = [Math.ceil(bitmap.width / factor), Math.ceil(bitmap.height / factor)];
  const data = new Uint8ClampedArray(3 * width * height);
  const rows = Math.max(1, Math.floor(STRIP / bitmap.width / factor)) * factor;
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: Math.min(rows, bitmap.height) });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < bitmap.height; top += rows) {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(bitmap, 0, -top);
    const strip = pen.getImageData(0, 0, bitmap.width, Math.min(rows, bitmap.height - top));
    if (strip.data[3] !== 255) throw new PhotoError("The photo could not be checked."); // a canvas that was not given
    reduce(strip, factor, data, 3 * width * (top / factor));
  }
  return { width, height, channels: 3, data };
}

function reduce({ data: source, width, height }, factor, target, to) {
  for (let top = 0; top < height; top += factor) {
    for (let left = 0; left < width; left += factor) {
      const [bottom, right] = [Math.min(top + factor, height), Math.min(left + factor, width)];
      let [red, green, blue] = [0, 0, 0];
      for (let y = top; y < bottom; y++) {
        for (let x = left, p = 4 * (y * width + left); x < right; x++, p += 4) {
          red += source[p]; green += source[p + 1]; blue += source[p + 2];
        }
      }
      const count = (bottom - top) * (right - left);
      target[to++] = red / count; target[to++] = green / count; target[to++] = blue / count;
    }
  }
}
