// The page: a photo is chosen, taken, dropped or pasted, checked on this device, and shown with its result.
import { PhotoError } from "./container.js";
import { kept } from "./offline.js";
import { showResult } from "./result.js";
import { preferred, remember, say, speak } from "./words.js";

const at = (id) => document.getElementById(id);
const [start, result, symptoms, drop] = ["start", "result", "symptoms", "drop"].map(at);
const [choose, sending] = [".choose", ".sending"].map((name) => drop.querySelector(name));

let screening = null;
let busy = false;
let state = () => say("Loading the model…");
let problem = null;

const words = speak(preferred());
const opening = open();

async function open() {
  await words;
  tell(() => say("Loading the model…"));
  if (!window.isSecureContext) throw new Error(say("Open this page by an address that begins with https."));
  const offline = await kept();
  const { Screener } = await import("./screen.js");
  const screener = await Screener.open();
  at("dermoscopy").hidden = screener.manifest.modality !== "dermoscopy";
  tell(() => (offline ? say("Ready. This page now works without a network.") : say("Ready, as long as there is a network.")));
  return screener;
}

opening.catch((error) => {
  tell(() => "");
  fail(() => [say("The model could not be opened, so no photo can be checked here."), error.message]);
});

function tell(words) {
  state = words;
  at("state").textContent = state();
}

/** @param {?() => [string, string]} words what is wrong, and why */
function fail(words) {
  problem = words;
  at("problem").hidden = !problem;
  if (!problem) return;
  [at("problem-title").textContent, at("reason").textContent] = problem();
  at("problem").scrollIntoView({ block: "nearest" });
}

async function check(file) {
  if (busy) return;
  busy = true;
  show(null);
  fail(null);
  working(file);
  try {
    const screener = await opening;
    const found = await screener.screen(file, progress);
    show(found);
    await render();
    at("verdict").focus();
    scrollTo(0, 0);
  } catch (error) {
    const reason = error instanceof PhotoError ? () => say(error.message) : () => error.message;
    fail(() => [say("This photo could not be used."), reason()]);
  } finally {
    working(null);
    busy = false;
  }
}

/** The preview while a photo is looked at. */
function working(file) {
  const preview = at("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  [choose.hidden, sending.hidden] = [Boolean(file), !file];
  if (!file) return;
  preview.src = URL.createObjectURL(file);
  preview.alt = say("Your photo");
  at("doing").textContent = say("Loading the model…");
  at("progress").removeAttribute("value");
}

/** Shown before each step; the pause lets the browser draw it. */
function progress(step, steps) {
  at("doing").textContent = say("Looking at your photo…");
  Object.assign(at("progress"), { max: steps, value: step });
  return new Promise((resolve) => setTimeout(resolve, 20));
}

function show(found) {
  screening = found;
  [start.hidden, result.hidden] = [Boolean(found), !found];
  if (found) return;
  drop.after(symptoms);
  result.replaceChildren();
}

async function render() {
  if (screening) showResult(result, screening, reported(), await opening, symptoms, again);
}

const reported = () => [...symptoms.querySelectorAll("input:checked")].map((box) => box.value);

function again() {
  for (const box of symptoms.querySelectorAll("input")) box.checked = false;
  show(null);
  at("main").focus();
  scrollTo(0, 0);
}

for (const input of drop.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    if (input.files.length) check(input.files[0]);
    input.value = ""; // choosing the same photo again is a new choice
  });
}
symptoms.addEventListener("change", async ({ target }) => {
  await render();
  if (screening) target.focus(); // the questions were moved to their new place
});
for (const button of document.querySelectorAll(".languages button")) {
  button.addEventListener("click", async () => {
    remember(button.value);
    await speak(button.value);
    tell(state);
    if (problem) fail(problem);
    await render();
  });
}
for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) check(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) check(event.clipboardData.files[0]); });
