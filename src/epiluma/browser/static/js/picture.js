// The photo that was checked, with the outline that was found on it.
import { html } from "./elements.js";
import { say } from "./words.js";

const LIGHT = [255, 255, 255];
const DARK = [11, 92, 120];

/** @param {import("./screen.js").Screening} screening @returns {HTMLCanvasElement} */
export function picture({ photo, mask }) {
  const { width, height, data } = photo;
  const image = new ImageData(width, height);
  for (let i = 0, p = 0; i < width * height; i++, p += 4) image.data.set([data[3 * i], data[3 * i + 1], data[3 * i + 2], 255], p);
  if (mask) drawEdge(image, mask);
  const canvas = html("canvas", { width, height, role: "img", "aria-label": say(mask ? "The photo that was checked, with the outline of the mark" : "The photo that was checked") });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A light line on the mark's edge and a dark one beside it, so that one is seen on any skin. */
function drawEdge(image, { width, height, data }) {
  const reach = Math.max(1, Math.round(Math.min(width, height) / 300));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const here = data[y * width + x];
      const differs = (dx, dy) => x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height && data[(y + dy) * width + x + dx] !== here;
      if (differs(reach, 0) || differs(-reach, 0) || differs(0, reach) || differs(0, -reach)) {
        image.data.set(here ? LIGHT : DARK, 4 * (y * width + x));
      }
    }
  }
}
