// While a slow step runs: what it does to the part in the middle of the view, drawn into the maps and framed there.

import { on, state } from "./store.js";

const SIDE = 256;
const SLOW_DRAG_MS = 250;
const SLOW_MS = 1200;
const MOST = 0.6; // of the image: a larger part is no shortcut

/** What each step took when it was last computed for the image in sight. @type {Map<string, number>} */
const costs = new Map();
/** @type {{steps: string[], strokes: string}|null} */
let known = null;

on("doc", () => { costs.clear(); known = null; });

/** The result of a wish is there as a whole. @param {any} wish @param {any} head */
export function learned(wish, head) {
  for (const [name, ms] of Object.entries(head.ms)) costs.set(name.slice(name.indexOf(":") + 1), /** @type {number} */ (ms));
  known = { steps: wish.steps.map((/** @type {any} */ use) => JSON.stringify(use)), strokes: JSON.stringify(wish.strokes) };
}

/** How long the steps will take that a wish changes, as far as that is known. @param {any} wish */
export function expected(wish) {
  if (!known) return 0;
  const steps = wish.steps.map((/** @type {any} */ use) => JSON.stringify(use));
  let first = JSON.stringify(wish.strokes) === known.strokes ? 0 : -1;
  if (first === 0) while (first < steps.length && steps[first] === known.steps[first]) first++;
  return wish.steps.slice(Math.max(0, first)).reduce((/** @type {number} */ sum, /** @type {any} */ use) => sum + (costs.get(use.step) ?? 0), 0);
}

/** The middle of the view: first row, end, first column, end. @param {number} [side] */
export function middle(side = SIDE) {
  const { rows, cols } = state.info.grid;
  const { k, cx, cy } = state.view;
  const cut = (/** @type {number} */ center, /** @type {number} */ count) => {
    const size = Math.max(1, Math.round(Math.min(side, count, count / Math.min(1e3, Math.max(1, k)))));
    const from = Math.round(Math.min(count - size, Math.max(0, center * count - size / 2)));
    return [from, from + size];
  };
  return [...cut(cy, rows), ...cut(cx, cols)];
}

/** Whether to ask for a part first. @param {any} wish @param {boolean} drag @returns {{part?: number[], part_only?: boolean}} */
export function partFor(wish, drag) {
  const cost = expected(wish);
  const mended = state.frames.get("mended");
  if (cost < (drag ? SLOW_DRAG_MS : SLOW_MS) || !mended || mended.head.shape[0] !== mended.head.full[0]) return {};
  const part = middle();
  const { rows, cols } = state.info.grid;
  return (part[1] - part[0]) * (part[3] - part[2]) > MOST * rows * cols ? {} : { part, part_only: drag };
}

/** Put a part into the whole picture that is there; null if that is not there as a whole. @param {any} whole @param {any} head @param {any} data @param {number[]} box @param {number} rev */
export function patched(whole, head, data, box, rev) {
  const base = whole?.base ?? whole;
  if (!base || base.head.shape[0] !== base.head.full[0] || base.head.shape[1] !== base.head.full[1]) return null;
  const copy = base.data.slice();
  const cols = base.head.full[1];
  const width = box[3] - box[2];
  const { legend, number } = numbers(base.head.legend, head.legend);
  const shift = (head.offset ?? 0) - (base.head.offset ?? 0);
  for (let r = box[0], i = 0; r < box[1]; r++) for (let at = r * cols + box[2], end = at + width; at < end; at++, i++) {
    const value = data[i];
    if (head.dtype !== "u1") copy[at] = Math.abs(value) < 1e37 ? value + shift : value;
    else copy[at] = legend && value & 15 ? (value & 240) | number[value & 15] : value;
  }
  return { base, head: { ...base.head, ...(legend ? { legend } : {}), key: `${base.head.key}#${rev}`, part: box }, data: copy };
}

/** Kinds of artifacts are numbered by name; those of a part may be numbered in another way. @param {any[]|undefined} whole @param {any[]|undefined} part */
function numbers(whole, part) {
  /** @type {number[]} */
  const number = [];
  if (!whole || !part) return { legend: undefined, number };
  const legend = [...whole];
  for (const one of part) {
    let found = legend.find((other) => other.name === one.name);
    if (!found) legend.push(found = { ...one, number: Math.min(15, legend.length + 1) });
    number[one.number] = found.number;
  }
  return { legend, number };
}
