// Donuts of a screening, drawn as epiluma.inference.donut draws them: the largest part first, labels outside.
import { svg } from "./elements.js";
import { namesOf, say, shortOdds } from "./words.js";

/** @typedef {{name: string, value: number, kind: "malignant" | "benign" | "others"}} Part */

const [WIDTH, HEIGHT] = [400, 220];
const [X, Y] = [200, 110];
const [RADIUS, STROKE] = [60, 26];
const [LINE, LABEL] = [15, 90];
const GAP = 0.7; // between two parts, percent of the ring

/** Malignant against benign. @param {number} risk */
export function malignancyDonut(risk) {
  const parts = [
    { name: say("Malignant"), value: risk, kind: "malignant" },
    { name: say("Benign"), value: 1 - risk, kind: "benign" },
  ];
  return donut(parts, say("Malignant or benign?"), [shortOdds(risk), say("Malignant")]);
}

/** The most probable diagnoses and the others. @param {Record<string, number>} probabilities @param {object[]} leaves */
export function diagnosisDonut(probabilities, leaves, top) {
  const ranked = [...leaves].sort((a, b) => probabilities[b.code] - probabilities[a.code]);
  const parts = ranked.slice(0, top).map((leaf) => ({
    name: namesOf(leaf).name, value: probabilities[leaf.code], kind: leaf.malignant ? "malignant" : "benign",
  }));
  const centre = [shortOdds(parts[0].value), ranked[0].code];
  const others = ranked.slice(top);
  if (others.length) parts.push({ name: say("Others"), value: others.reduce((sum, leaf) => sum + probabilities[leaf.code], 0), kind: "others" });
  return donut(parts, say("What it looks most like"), centre);
}

function donut(unsorted, title, [value, below]) {
  const parts = [...unsorted].sort((a, b) => (a.kind === "others") - (b.kind === "others") || b.value - a.value);
  const told = parts.map((part) => `${part.name}: ${shortOdds(part.value)}`).join("; ");
  return svg("svg", { class: "donut", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "font-family": "inherit", "font-size": 13, fill: "currentColor" },
    svg("title", {}, title), svg("desc", {}, told), ...ring(parts),
    svg("text", { x: X, y: Y + 4, "text-anchor": "middle", "font-size": 26, "font-weight": 700 }, value),
    svg("text", { x: X, y: Y + 21, "text-anchor": "middle", "font-size": 12 }, below), ...labels(parts));
}

/** One arc per part, clockwise from the top: a circle of length 100. @param {Part[]} parts */
function ring(parts) {
  let start = 0;
  return parts.map(({ value, kind }) => {
    const length = Math.max(100 * value - GAP, 0.3); // the smallest part still shows
    const arc = svg("circle", {
      class: kind, cx: X, cy: Y, r: RADIUS, fill: "none", stroke: `var(--donut-${kind})`, "stroke-width": STROKE, pathLength: 100,
      "stroke-dasharray": `${length} ${100 - length}`, "stroke-dashoffset": -start, transform: `rotate(-90 ${X} ${Y})`,
    });
    start += 100 * value;
    return arc;
  });
}

/** Name and value of each part, outside the ring on its side, without overlap. */
function labels(parts) {
  const sides = { 1: [], [-1]: [] };
  let start = 0;
  for (const { name, value, kind } of parts) {
    const angle = 2 * Math.PI * (start + value / 2);
    start += value;
    const lines = [...wrapped(name), (kind === "malignant" ? "▲ " : "") + shortOdds(value)];
    sides[Math.sin(angle) >= 0 ? 1 : -1].push({ wanted: Y - (LABEL - 8) * Math.cos(angle), angle, lines });
  }
  return Object.entries(sides).flatMap(([side, all]) => {
    all.sort((a, b) => a.wanted - b.wanted);
    return spread(all).flatMap((top, i) => label(Number(side), top, all[i]));
  });
}

function label(side, top, { angle, lines }) {
  const x = X + side * LABEL;
  const reach = RADIUS + STROKE / 2 + 2;
  const middle = top + LINE * lines.length / 2;
  const last = lines.length - 1;
  return [
    svg("path", { d: `M${X + reach * Math.sin(angle)} ${Y - reach * Math.cos(angle)}L${x - side * 4} ${middle}`, fill: "none", stroke: "currentColor", "stroke-opacity": 0.45 }),
    svg("text", { x, y: top + 12, "text-anchor": side > 0 ? "start" : "end" },
      ...lines.map((line, i) => svg("tspan", { x, dy: i ? LINE : 0, ...(i === last && { "font-weight": 700 }) }, line))),
  ];
}

/** Tops of blocks, each as near its wanted middle as the blocks above and the chart's edges allow. */
function spread(blocks) {
  let free = 2;
  const heights = blocks.map(({ lines }) => LINE * lines.length);
  const tops = blocks.map(({ wanted }, i) => {
    const top = Math.max(wanted - heights[i] / 2, free);
    free = top + heights[i] + 4;
    return top;
  });
  let limit = HEIGHT - 2;
  for (let i = tops.length - 1; i >= 0; i--) {
    tops[i] = Math.min(tops[i], limit - heights[i]);
    limit = tops[i] - 4;
  }
  return tops;
}

/** A name in at most three lines of the room beside the ring; Chinese characters are twice as wide. */
function wrapped(name) {
  const wide = [...name].some((letter) => letter.codePointAt(0) > 0x2e80);
  const width = wide ? 7 : 14;
  const pieces = wide ? name.match(new RegExp(`.{1,${width}}`, "gu")) : name.split(" ");
  const lines = [];
  for (const piece of pieces) {
    if (!wide && lines.length && lines.at(-1).length + piece.length < width) lines[lines.length - 1] += ` ${piece}`;
    else lines.push(piece);
  }
  return lines.length > 3 ? [...lines.slice(0, 2), `${lines[2]}…`] : lines;
}
