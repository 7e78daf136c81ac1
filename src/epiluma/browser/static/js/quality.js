// Whether a photo can be judged at all, as epiluma.imaging.quality measures it.
import { toSquare } from "./preprocess.js";

/** @typedef {{usable: boolean, reasons: string[], sharpness: number, brightness: number, contrast: number}} Quality */

/** @param {import("./decode.js").Decoded} decoded @param {object} bounds @returns {Quality} */
export function gradeQuality(decoded, bounds) {
  const side = bounds.SIDE;
  const grey = Float32Array.from(toSquare(greyOf(decoded.image), side).data);
  const laplacian = new Float32Array((side - 2) ** 2);
  for (let y = 1, k = 0; y < side - 1; y++) {
    for (let x = 1, i = y * side + 1; x < side - 1; x++, i++, k++) {
      laplacian[k] = grey[i - side] + grey[i + side] + grey[i - 1] + grey[i + 1] - 4 * grey[i];
    }
  }
  const [brightness, contrast] = moments(grey);
  const [, sharpness] = moments(laplacian);
  const found = [
    [bounds.TOO_SMALL, Math.min(decoded.width, decoded.height) < bounds.MIN_SIDE],
    [bounds.TOO_DARK, brightness < bounds.MIN_BRIGHTNESS],
    [bounds.TOO_BRIGHT, brightness > bounds.MAX_BRIGHTNESS],
    [bounds.EMPTY, contrast < bounds.MIN_CONTRAST],
    [bounds.BLURRED, contrast >= bounds.MIN_CONTRAST && sharpness < bounds.MIN_SHARPNESS], // one colour is not blur
  ];
  const reasons = found.filter(([, wrong]) => wrong).map(([reason]) => reason);
  return { usable: !reasons.length, reasons, sharpness, brightness, contrast };
}

/** ITU-R BT.601 in Pillow's fixed point. */
function greyOf({ width, height, data }) {
  const grey = new Uint8ClampedArray(width * height);
  for (let i = 0, p = 0; i < grey.length; i++, p += 3) {
    grey[i] = (19595 * data[p] + 38470 * data[p + 1] + 7471 * data[p + 2] + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: grey };
}

/** Mean and standard deviation. */
function moments(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
}
