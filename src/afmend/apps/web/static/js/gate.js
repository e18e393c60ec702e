// What the gate says: a line in the list of files, a page of its own under the panels, and where it looks.

import { capital, fill, h, sentence } from "./dom.js";
import { api, busy } from "./net.js";
import { emit, look, on, state } from "./store.js";

/** @typedef {{judged?: any, activation?: {shape: number[], maps: Record<string, string>}, error?: string}} Said */

/** @type {Map<string, Said>} */
const kept = new Map();
/** @type {string[]} */
let waiting = [];
let working = false;

const nameOf = (/** @type {string} */ ref, /** @type {number} */ frame, /** @type {string|null} */ channel) => `${ref}|${frame}|${channel ?? ""}`;

export function listenGate() {
  on("doc idle", () => ask());
  on("view", (/** @type {any} */ changes) => { if ("gate" in changes) { emit("gated", ""); ask(); go(); } });
}

/** What was said of the image in sight. @returns {Said|undefined} */
export function current() {
  const { doc, info } = state;
  return doc && info ? kept.get(nameOf(doc.ref, doc.frame, doc.channel)) : undefined;
}

/** What was said of a file: of the image in sight, if it is its, else of its first image. @param {string} ref */
export const saidOf = (ref) => (state.doc?.ref === ref ? current() : undefined) ?? kept.get(nameOf(ref, 0, null));

/** Judge a file of the list when nobody waits for anything else. @param {string} ref */
export function later(ref) {
  if (kept.has(nameOf(ref, 0, null)) || waiting.includes(ref)) return;
  waiting.push(ref);
  go();
}

/** Files out of sight are not judged any more. @param {(ref: string) => boolean} good */
export function keepOnly(good) {
  waiting = waiting.filter(good);
}

async function go() {
  if (working || !state.view.gate) return;
  working = true;
  for (let ref; state.view.gate && (ref = waiting.shift()) !== undefined;) {
    while (busy()) await new Promise((good) => setTimeout(good, 300));
    await judge(ref, 0, null);
    emit("gated", ref);
  }
  working = false;
}

/** Judge the image in sight, once its pictures are there. */
async function ask() {
  const { doc, info } = state;
  if (!doc || !info || busy() || !(state.view.gate || state.view.dock === "gate") || current()) return;
  const { ref, frame, channel } = doc;
  await judge(ref, frame, channel);
  if (channel === info.main && frame === 0) kept.set(nameOf(ref, 0, null), /** @type {Said} */ (kept.get(nameOf(ref, frame, channel))));
  emit("gated", ref);
}

/** @param {string} ref @param {number} frame @param {string|null} channel */
async function judge(ref, frame, channel) {
  const name = nameOf(ref, frame, channel);
  if (kept.has(name)) return;
  try {
    kept.set(name, await api("gate", { ref, frame, channel }));
  } catch (error) {
    const refused = /** @type {any} */ (error).error;
    if (refused) kept.set(name, { error: sentence(refused) });
  }
}

/** The verdict in a few words; nothing that looks like a decision. @param {any} one */
export const gateWords = ({ verdict, probability, strange }) => `gate, not yet to be relied on: ${strange ? "unfamiliar" : `${short(verdict)}\u00a0${percent(probability)}`}`;

/** @param {Said|undefined} said */
export function brief(said) {
  if (!said?.judged) return { text: "", title: said?.error ?? "" };
  const one = said.judged;
  return { text: gateWords({ ...one, probability: one.probabilities[one.verdict] }), title: [one.why, ...one.reasons].join("; ") };
}

/** @param {string} verdict */
const short = (verdict) => verdict.replace(/ Contamination|Imaging /, "").toLowerCase();

/** @param {any} judged @param {string} name */
const chance = ({ probabilities }, name) => percent(probabilities[name]);

const percent = (/** @type {number} */ p) => `${Math.round(100 * p)}\u00a0%`;

// ------------------------------------------------------------------ the page under the panels

/** @param {Element} box */
export function gateTab(box) {
  ask();
  const said = current();
  if (!said) {
    fill(box, h("p", { class: "dim", text: "The gate looks at the scan (the first time after an installation: up to a minute) …" }));
    return;
  }
  if (!said.judged) {
    fill(box, h("p", { class: "bad", text: said.error }));
    return;
  }
  const one = said.judged;
  const shown = state.view.gateOf || one.verdict;
  const rows = Object.entries(one.probabilities).map(([name, p]) => h("tr", { class: name === shown && state.view.gateMap ? "chosen" : "" }, h("th", { scope: "row", text: name }),
    h("td", {}, h("meter", { min: 0, max: 1, value: p, "aria-label": `Probability of ${name}` })), h("td", { text: chance(one, name) }), h("td", { class: "dim", text: one.plausible.includes(name) ? "plausible" : "" }),
    h("td", {}, h("button", { "aria-pressed": String(name === shown && state.view.gateMap), title: `Show on the original what speaks for and against ${name}`,
      onclick: () => look(name === shown && state.view.gateMap ? { gateMap: false } : { gateMap: true, gateOf: name }) }, "Where"))));
  const list = (/** @type {string} */ title, /** @type {string[]} */ items) => (items.length ? h("div", {}, h("h3", { text: title }), h("ul", { class: "plain" }, ...items.map((text) => h("li", { text })))) : null);
  fill(box,
    h("div", { class: "gate-said" }, h("p", { class: "big", text: one.strange ? "Unfamiliar" : `${one.verdict} ${chance(one, one.verdict)}${one.sure ? "" : ", unsure"}` }),
      h("p", { class: "warn", text: "A first model, not yet to be relied on: look for yourself." }),
      h("p", { text: `${capital(one.why)}. It would say: ${one.action}.` }),
      h("table", {}, h("tbody", {}, ...rows))),
    h("div", { class: "gate-why" }, h("p", { class: "dim", text: `${one.model}, trained on simulated scans; ${one.lines} lines as measured.` }),
      list("What it saw", one.reasons), list("At the instrument", one.advice)));
}

// ------------------------------------------------------------------ where it looks

/** @type {{key: string, canvas: HTMLCanvasElement|null, signs: {x: number, y: number, sign: string}[]}} */
let drawn = { key: "", canvas: null, signs: [] };

/** Which verdict's evidence is shown over the original, and the picture of it. */
export function evidence() {
  const said = state.view.gateMap && state.view.dock === "gate" && state.view.overlays ? current() : undefined;
  if (!said?.judged || !said.activation) return null;
  const verdict = state.view.gateOf || said.judged.verdict;
  const hex = said.activation.maps[verdict];
  if (!hex) return null;
  const key = `${nameOf(state.doc?.ref ?? "", state.doc?.frame ?? 0, state.doc?.channel ?? "")}|${verdict}`;
  if (drawn.key !== key) drawn = { key, ...paint(hex, said.activation.shape) };
  return { verdict, canvas: /** @type {HTMLCanvasElement} */ (drawn.canvas), signs: drawn.signs };
}

/** Red speaks for it, blue against it; plus and minus say the same. @param {string} hex @param {number[]} shape */
function paint(hex, [rows, cols]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [cols, rows];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = pen.createImageData(cols, rows);
  const signs = [];
  for (let i = 0; i < rows * cols; i++) {
    const byte = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
    const v = (byte > 127 ? byte - 256 : byte) / 127;
    image.data.set(v > 0 ? [225, 40, 30, 140 * v] : [30, 90, 225, -140 * v], 4 * i);
    const apart = Math.ceil(Math.max(rows, cols) / 9);
    const inGrid = (i % cols) % apart === apart >> 1 && Math.floor(i / cols) % apart === apart >> 1;
    if (inGrid && Math.abs(v) > 0.3) signs.push({ x: ((i % cols) + 0.5) / cols, y: (Math.floor(i / cols) + 0.5) / rows, sign: v > 0 ? "+" : "−" });
  }
  pen.putImageData(image, 0, 0);
  return { canvas, signs };
}

/** For the head of the panel. */
export const evidenceWords = () => { const found = evidence(); return found ? `+ for, − against ${short(found.verdict)}` : ""; };
