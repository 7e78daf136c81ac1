// A screening on the page: what to do first, then why, then the picture.
import { diagnosisDonut, malignancyDonut } from "./donut.js";
import { html, svg } from "./elements.js";
import { picture } from "./picture.js";
import { language, namesOf, odds, say } from "./words.js";

const LEVEL_WORDS = {
  urgent: () => say("See a doctor soon"),
  refer: () => say("See a doctor"),
  recheck: () => say("Photograph it again"),
  no_sign: () => say("No sign found"),
  cannot_judge: () => say("Cannot judge"),
};
const TRIANGLE = ["M12 2 23 21H1Z", "M12 9v6M12 17v2"];
const SHAPES = {
  urgent: TRIANGLE,
  refer: TRIANGLE,
  recheck: ["M12 2a10 10 0 1 1-9.500 7", "M12 7v5l3.500 2"],
  no_sign: ["M2 12a10 10 0 1 1 20 0a10 10 0 1 1-20 0", "M7 12h10"],
  cannot_judge: ["M3 3h18v18H3Z", "M9 9.500a3 3 0 1 1 4 2.800c-.700.300-1 .800-1 1.700M12 16v2"],
};

/**
 * Fill the result's element.
 * @param {Element} place @param {import("./screen.js").Screening} screening @param {string[]} symptoms
 * @param {import("./screen.js").Screener} screener @param {Element} asked the questions, moved below the verdict
 * @param {() => void} again what the button for the next photo does
 */
export function showResult(place, screening, symptoms, screener, asked, again) {
  const { manifest, rules } = screener;
  const advice = screener.recommendation(screening, symptoms);
  const judged = screening.diagnosis !== null;
  const said = html("div", { class: "said" }, verdict(screening, advice), asked);
  if (judged) said.append(donuts(screening, manifest.taxonomy.leaves, rules));
  said.append(about(screening, screener));
  const shown = html("div", { class: "shown" }, shownPicture(screening), actions(again));
  place.replaceChildren(said, shown);
}

function verdict(screening, advice) {
  const card = html("section", { class: `card verdict ${advice.level}`, "aria-labelledby": "verdict" },
    html("p", { class: "level" }, shape(advice.level), html("span", {}, LEVEL_WORDS[advice.level]())),
    html("h1", { id: "verdict", tabindex: -1 }, headline(advice)),
    html("p", {}, reason(screening, advice)));
  const found = remarks(screening);
  if (found.length) card.append(html("ul", { class: "quality" }, ...found.map((line) => html("li", {}, line))));
  card.append(html("p", { class: "warning" }, html("strong", {}, say("This is not a diagnosis.")), " ",
    say("A doctor must judge any mark that worries you, whatever is shown here.")));
  return card;
}

function shape(level) {
  const [outer, cut] = SHAPES[level];
  return svg("svg", { class: "shape", viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true" },
    svg("path", { d: outer }), svg("path", { class: "cut", d: cut }));
}

function headline({ level, weeks }) {
  if (level === "no_sign") return say("Keep an eye on this mark.");
  if (level === "cannot_judge") return say("Take another photo.");
  if (level === "recheck") return say("Photograph this mark again in %(weeks)d weeks.", { weeks });
  return say("Show this mark to a doctor within %(weeks)d weeks.", { weeks });
}

function reason({ findings }, { level, alarming }) {
  if (level === "refer" || level === "urgent") {
    return alarming
      ? say("A mark that bleeds, grows or changes should be seen by a doctor, whatever a photo shows.")
      : say("The model sees signs that a doctor should check. Many such marks turn out to be harmless.");
  }
  if (level === "no_sign") {
    return say("The model found no sign of skin cancer in this photo. It can be wrong. See a doctor if the mark changes, bleeds, itches or worries you.");
  }
  if (level === "recheck") {
    return say("The model sees little that worries it, and cannot rule cancer out. A mark that is harmful changes in that time. See a doctor at once if it does, or if it bleeds, itches or worries you.");
  }
  return findings.some((finding) => finding.severity === "refuse")
    ? say("This photo is not good enough to judge, so there is no result.")
    : say("The model cannot tell whether this mark needs a doctor, so there is no result.");
}

/** What is wrong with the photo, and what to do about it. */
function remarks({ quality, findings }) {
  const others = findings.filter((finding) => finding.code !== "quality");
  return [...quality.reasons.map((line) => say(line)), ...others.map((found) => `${say(found.reason)} ${say(found.action)}`)];
}

function donuts({ risk, probabilities }, leaves, { donut: { TOP: top }, taxonomy: { BINARY_NOTE, BINARY_NOTE_ZH } }) {
  const named = [...leaves].sort((a, b) => probabilities[b.code] - probabilities[a.code]).slice(0, top);
  return html("section", { class: "card donuts", "aria-label": say("What the model sees") },
    html("figure", {}, html("figcaption", {}, html("h2", {}, say("Malignant or benign?"))), malignancyDonut(risk),
      html("div", { class: "told" }, html("p", { class: "lead" }, say("Chance that this mark is malignant: %(odds)s.", { odds: odds(risk) })),
        html("p", { class: "small" }, language === "zh" ? BINARY_NOTE_ZH : BINARY_NOTE))),
    html("figure", {}, html("figcaption", {}, html("h2", {}, say("What it looks most like"))), diagnosisDonut(probabilities, leaves, top),
      html("ol", { class: "names told" }, ...named.map((leaf) => nameLine(leaf, probabilities[leaf.code])))));
}

function nameLine(leaf, probability) {
  const { name, plain } = namesOf(leaf);
  const mark = leaf.malignant ? [" ", html("abbr", { title: say("malignant") }, "▲")] : [];
  return html("li", {}, html("strong", {}, name, ...mark), " ", plain ? html("span", {}, plain) : "", " ", html("em", {}, odds(probability)));
}

function about({ risk }, { manifest, id }) {
  const { threshold } = manifest.operating_point;
  const rule = say("The model advises a doctor when the chance of a malignant mark is %(odds)s or more (threshold %(threshold).3f), or when a malignant diagnosis explains the photo best. This photo: %(here)s (%(risk).3f).",
    { odds: odds(threshold), threshold, here: odds(risk ?? 0), risk: risk ?? 0 });
  const modality = manifest.modality === "dermoscopy" ? say("Photos taken through a dermatoscope") : say("Ordinary photos");
  return html("section", { class: "card about" }, html("h2", {}, say("How this was decided")), html("dl", {},
    ...(risk === null ? [] : [term(say("Recommendation"), rule)]),
    term(say("Model"), `${manifest.name} `, html("code", { title: id }, id.slice(0, 12))),
    term(say("Made for"), modality),
    term(say("Licence"), `${manifest.licence}. ${manifest.licence_note}`)));
}

const term = (name, ...text) => html("div", {}, html("dt", {}, name), html("dd", {}, ...text));

function shownPicture(screening) {
  return html("section", { class: "card picture" }, picture(screening),
    html("p", { class: "small" }, `${screening.width} × ${screening.height}. `, say("It never left this device.")));
}

function actions(again) {
  const button = html("button", { type: "button", class: "button" }, say("Check another photo"));
  button.addEventListener("click", again);
  return html("section", { class: "card actions", "aria-label": say("What you can do now") }, button,
    html("p", { class: "small" }, say("The photo and its result are then gone: nothing is kept.")));
}
