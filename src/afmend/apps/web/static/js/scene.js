// From the state to what each panel shows: which numbers, which colors, which part.

import { state } from "./store.js";

/** What the mended map is marked with: while the tip is looked at, also what it never touched. */
export const flagsName = () => (state.view.dock === "tip" && state.frames.has("tip_flags") ? "tip_flags" : "flags");

/** @typedef {{id: string, key: string, title: string, kind: "map"|"surface", heights: string, group: "before"|"after", marks?: string, mode?: number}} Panel */

/** @type {Panel[]} */
export const PANELS = [
  { id: "original", key: "1", title: "Original", kind: "map", heights: "original", group: "before" },
  { id: "original3d", key: "2", title: "Original, 3-D", kind: "surface", heights: "original", group: "before" },
  { id: "raw", key: "3", title: "Found", kind: "map", heights: "original", group: "before", marks: "raw_mask", mode: 1 },
  { id: "mask", key: "4", title: "To fill", kind: "map", heights: "leveled", group: "after", marks: "mask", mode: 1 },
  { id: "mended", key: "5", title: "Mended", kind: "map", heights: "mended", group: "after", marks: "flags", mode: 2 },
  { id: "mended3d", key: "6", title: "Mended, 3-D", kind: "surface", heights: "mended", group: "after" },
];

export const panelOf = (/** @type {string} */ id) => /** @type {Panel} */ (PANELS.find((panel) => panel.id === id));
const RANGES = { full: [0, 6], p01: [1, 5], p1: [2, 4] };

/** Is the plane taken away in the pictures of this group? @param {string} group */
export const flattened = (group) => group === "before" && state.view.flat;

/** Seven percentiles (0, 0.1, 1, 50, 99, 99.9, 100) of what a group shows. @param {string} group @returns {number[]} */
export function percentiles(group) {
  if (group === "diff") return differencePercentiles();
  const frame = group === "before" ? state.frames.get("original") : state.frames.get("mended") ?? state.frames.get("leveled");
  if (!frame) return [0, 0, 0, 0.5, 1, 1, 1];
  return flattened(group) ? frame.head.stats.flat_p : frame.head.stats.p;
}

/** The two panels' worth of numbers that a difference is of. */
export function differenceOf() {
  const [a, b] = state.view.diff === "filled" ? ["mended", "leveled"] : ["original", "leveled"];
  return { a, b, first: state.frames.get(a), second: state.frames.get(b) };
}

/** @type {{key: string, p: number[]}} */
let kept = { key: "", p: [0, 0, 0, 0, 1, 1, 1] };

function differencePercentiles() {
  const { first, second } = differenceOf();
  if (!first || !second || first.data.length !== second.data.length) return kept.p;
  const key = `${first.head.key}|${second.head.key}`;
  if (kept.key === key) return kept.p;
  const shift = first.head.offset - second.head.offset;
  /** @type {number[]} */
  const some = [];
  const step = Math.max(1, Math.floor(first.data.length / 100000));
  for (let i = 0; i < first.data.length; i += step) {
    const d = first.data[i] - second.data[i] + shift;
    if (Math.abs(d) < 1e37 && (d !== 0 || state.view.diff !== "filled")) some.push(d);
  }
  some.sort((x, y) => x - y);
  const at = (/** @type {number} */ q) => some[Math.min(some.length - 1, Math.floor((q / 100) * some.length))] ?? 0;
  kept = { key, p: [0, 0.1, 1, 50, 99, 99.9, 100].map(at) };
  return kept.p;
}

/** Colors run from the first to the second of these. @param {string} group @returns {[number, number]} */
export function limits(group) {
  const own = state.view.limits[group];
  if (own) return own;
  const p = percentiles(group);
  if (group === "diff") return symmetric(p, 0);
  let found = /** @type {[number, number]} */ (state.view.range === "sym" ? symmetric(p, p[3])
    : RANGES[/** @type {"full"|"p01"|"p1"} */ (state.view.range)].map((i) => p[i]));
  if (group === "before" && state.view.lock) {
    const [low, high] = limits("after");
    const middle = percentiles("after")[3];
    found = [p[3] + low - middle, p[3] + high - middle];
  }
  const least = leastSpan();
  const middle = 0.5 * (found[0] + found[1]);
  return found[1] - found[0] > least ? found : [middle - 0.5 * least, middle + 0.5 * least];
}

/** Less than a millionth of what was recorded, or of a nanometer, is only rounding: colors never spread over less. @param {string} [unit] */
export function leastSpan(unit = state.frames.get("original")?.head.unit) {
  const p = state.frames.get("original")?.head.stats.p ?? [0, 0, 0, 0, 0, 0, 1];
  return Math.max(1e-6 * (p[6] - p[0]), 1e-9 * Math.abs(p[3]), unit === "nm" ? 1e-6 : 1e-15);
}

/** The least that an axis of heights spans: no microscope sees a picometer. @param {string} unit */
export const leastShown = (unit) => (unit === "nm" ? 1e-3 : leastSpan(unit));

/** Nothing but rounding was recorded, or is left of it: no colors, no scale mean anything then. @param {string} group */
export function onlyRounding(group) {
  if (group === "sigma") return false;
  const frame = state.frames.get(group === "before" ? "original" : group === "diff" ? differenceOf().a : "mended");
  if (!frame) return false;
  const p = percentiles(group);
  return p[6] - p[0] <= leastSpan();
}

/** @param {number[]} p @param {number} middle @returns {[number, number]} */
function symmetric(p, middle) {
  const half = Math.max(Math.abs(p[5] - middle), Math.abs(p[1] - middle)) || 1e-9;
  return [middle - half, middle + half];
}

/** The color table of a map. @param {string} name @returns {Uint8Array} */
export function tableOf(name) {
  if (!tables.has(name)) {
    const hex = state.schema?.maps[name] ?? "";
    const table = new Uint8Array(768);
    for (let i = 0; i < 768; i++) table[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16) || 0;
    if (!hex) return table;
    tables.set(name, table);
  }
  return /** @type {Uint8Array} */ (tables.get(name));
}

/** @type {Map<string, Uint8Array>} */
const tables = new Map();

/** Shift and plane so that a frame's numbers become what the limits are about. @param {any} frame @param {string} group */
export function planeOf(frame, group) {
  if (!frame) return [0, 0, 0];
  const { offset, stats } = frame.head;
  return flattened(group) ? [stats.plane[0] - offset, stats.plane[1], stats.plane[2]] : [0, 0, 0];
}

/** @param {any} frame @param {string} group @param {[number, number]} range */
export function shifted(frame, group, range) {
  const offset = frame && !flattened(group) ? frame.head.offset : 0;
  return [range[0] - offset, range[1] - offset];
}

/** The value at a pixel, as measured; null where nothing is. @param {any} frame @param {number} x @param {number} y */
export function valueAt(frame, x, y) {
  if (!frame) return null;
  const [rows, cols] = frame.head.shape;
  const [fullRows, fullCols] = frame.head.full;
  const r = Math.floor((y * rows) / fullRows);
  const c = Math.floor((x * cols) / fullCols);
  if (!(r >= 0 && c >= 0 && r < rows && c < cols)) return null;
  const value = frame.data[r * cols + c];
  return frame.head.dtype === "u1" ? value : Math.abs(value) < 1e37 ? value + frame.head.offset : null;
}

/** Where the image lies inside a panel: scale (CSS px per pixel along x and y) and the pixel at the center. @param {any} box */
export function placement(box) {
  const grid = state.info?.grid;
  if (!grid) return null;
  const { rows, cols } = grid;
  let [px, py] = state.view.physical ? [grid.pixel_fast_nm, grid.pixel_slow_nm] : [1, 1];
  const ratio = (cols * px) / (rows * py);
  const most = Math.max(box.width, box.height) / 28;
  const stretched = ratio > most || ratio < 1 / most;
  if (ratio > most) py *= ratio / most;
  if (ratio < 1 / most) px /= ratio * most;
  const [width, height] = box.fit ?? [box.width, box.height];
  const fit = 0.985 * Math.min(width / (cols * px), height / (rows * py));
  const { k, cx, cy } = state.view;
  return { sx: fit * px * k, sy: fit * py * k, cx: cx * cols, cy: cy * rows, rows, cols, stretched };
}

/** @param {any} place @param {any} box @param {number} x @param {number} y In CSS px of the panel. */
export const toPixel = (place, box, x, y) => [(x - box.width / 2) / place.sx + place.cx, (y - box.height / 2) / place.sy + place.cy];

/** @param {any} place @param {any} box @param {number} x @param {number} y In pixels of the scan. */
export const toScreen = (place, box, x, y) => [(x - place.cx) * place.sx + box.width / 2, (y - place.cy) * place.sy + box.height / 2];

/** Colors of artifact kinds as the shader takes them. @param {string|undefined} marks */
export function colorsOf(marks) {
  const out = new Float32Array(64);
  for (const one of state.frames.get(marks ?? "")?.head.legend ?? []) {
    const n = parseInt(one.color.slice(1), 16);
    out.set([(n >> 16) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255, 1], 4 * one.number);
  }
  return out;
}

/** The part of a panel that is a preview while the whole is being computed. @param {Panel} panel @returns {number[]|undefined} */
export const partOf = (panel) => (panel.id === "original" ? undefined : [panel.heights, panel.marks ?? ""].map((name) => (panel.mode === 1 && name === "original" ? undefined : state.frames.get(name)?.head.part)).find(Boolean));

/** The colors of a map of heights: gray under the colors of the gate's evidence. @param {Panel} panel */
export const mapOf = (panel) => (panel.id === "original" && state.view.gateMap && state.view.overlays ? "gray" : state.view.cmap);

/** Everything a painter needs for a map panel. @param {Panel} panel @param {any} box @param {number[]} paper */
export function mapSpec(panel, box, paper) {
  const view = state.view;
  const place = placement(box);
  const flicker = view.original && panel.group === "after" && panel.kind === "map";
  const shown = flicker ? panelOf("original") : panel;
  let { heights, group } = shown;
  const marks = shown.marks === "flags" ? flagsName() : shown.marks ?? "";
  let mode = view.overlays ? shown.mode ?? 0 : 0;
  if (mode === 2 && !view.invented) mode = 0;
  let minus = "";
  /** @type {string} */ let limited = group;
  if (view.layout === "diff" && panel.id === "mended" && !flicker) {
    const { a, b } = differenceOf();
    [heights, minus, mode, limited] = [a, b, 3, "diff"];
  }
  if (view.sigma && panel.id === "mended" && mode !== 3 && state.frames.has("sigma")) [heights, limited] = ["sigma", "sigma"];
  const frame = state.frames.get(heights);
  const full = frame?.head.full ?? [1, 1];
  const map = mode === 3 ? "difference" : mode === 1 ? "gray" : limited === "sigma" ? "blue" : mapOf(shown);
  let range = limited === "sigma" ? sigmaLimits() : limits(limited);
  let plane = [0, 0, 0];
  if (mode === 3) {
    const second = state.frames.get(minus);
    const shift = (frame?.head.offset ?? 0) - (second?.head.offset ?? 0);
    range = [range[0] - shift, range[1] - shift];
  } else if (limited !== "sigma") {
    plane = planeOf(frame, group);
    range = /** @type {[number, number]} */ (shifted(frame, group, range));
  }
  return {
    box, heights, minus, marks, frame, minusFrame: state.frames.get(minus), marksFrame: state.frames.get(marks),
    map, table: tableOf(map), center: place ? [place.cx, place.cy] : [0, 0], scale: place ? [place.sx, place.sy] : [1, 1],
    full, plane, range, mode, colors: colorsOf(marks), paper, split: 0,
  };
}

/** @returns {[number, number]} */
export function sigmaLimits() {
  return [0, Math.max(state.frames.get("sigma")?.head.stats.p[6] || 0, 1e-12)];
}
