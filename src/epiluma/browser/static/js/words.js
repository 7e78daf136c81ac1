// Sentences in the visitor's language. English is written where it is said; zh.json holds what it is in Chinese.

/** @typedef {"en" | "zh"} Language */

const KEY = "language";
let chinese = {};

/** @type {Language} */
export let language = "en";

/** The language chosen before, else the browser's. @returns {Language} */
export function preferred() {
  let kept = null;
  try { kept = localStorage.getItem(KEY); } catch { /* a browser that keeps nothing has no choice to tell */ }
  return kept ?? (navigator.language.startsWith("zh") ? "zh" : "en");
}

/** Speak a language from now on, and turn what stands on the page. @param {Language} wanted */
export async function speak(wanted) {
  if (wanted === "zh") chinese = await (await fetch("zh.json")).json();
  language = wanted;
  document.documentElement.lang = wanted === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-say]")) {
    element.dataset.say ||= element.textContent;
    element.textContent = say(element.dataset.say);
  }
  for (const button of document.querySelectorAll(".languages button")) {
    if (button.value === wanted) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Speak it on later visits too. @param {Language} wanted */
export function remember(wanted) {
  try { localStorage.setItem(KEY, wanted); } catch { /* then it is asked again next time */ }
}

/** A sentence, with values for %(name)d, %(name)s and %(name).3f. @param {string} english @param {Record<string, unknown>} [values] */
export function say(english, values = {}) {
  const sentence = (language === "zh" && chinese[english]) || english;
  return sentence.replace(/%\((\w+)\)(?:[ds]|\.(\d)f)/g, (_, name, digits) => (digits ? values[name].toFixed(digits) : values[name]));
}

/** A probability as people say it: never none, never certain. */
export function odds(probability) {
  if (probability < 0.005) return say("less than 1 in 100");
  if (probability < 0.095) return say("about %(n)d in 100", { n: Math.round(100 * probability) });
  if (probability < 0.95) return say("about %(n)d in 10", { n: Math.round(10 * probability) });
  return say("more than 9 in 10");
}

/** The same in the little room of a chart. */
export function shortOdds(probability) {
  if (probability < 0.005) return say("<1 in 100");
  if (probability < 0.095) return say("%(n)d in 100", { n: Math.round(100 * probability) });
  if (probability < 0.95) return say("%(n)d in 10", { n: Math.round(10 * probability) });
  return say(">9 in 10");
}

/** The names of a leaf in the language spoken. @returns {{name: string, plain: string}} */
export function namesOf(leaf) {
  const zh = language === "zh" && leaf.name_zh;
  return { name: zh || leaf.name, plain: (zh ? leaf.plain_zh : leaf.plain) ?? "" };
}
