// From the state to what each panel shows: which numbers, which colors, which part.

import { evidence } from "./gate.js";
import { state } from "./store.js";

/** What the mended map is marked with: while the tip is looked at, also what it never touched. */
export const flagsName = () => (state.view.dock === "tip" && state.frames.has("tip_flags") ? "tip_flags" : "flags");

/** @typedef {{id: string, key: string, title: string, kind: "map"|"surface", heights: string, group: "before"|"fill"|"after", marks?: string, mode?: number}} Panel */

/** @type {Panel[]} */
export const PANELS = [
  { id: "original", key: "1", title: "Original", kind: "map", heights: "original", group: "before" },
  { id: "original3d", key: "2", title: "Original, 3-D", kind: "surface", heights: "original", group: "before" },
  { id: "raw", key: "3", title: "Found", kind: "map", heights: "original", group: "before", marks: "raw_mask", mode: 1 },
  { id: "mask", key: "4", title: "To fill", kind: "map", heights: "leveled", group: "fill", marks: "mask", mode: 1 },
  { id: "mended", key: "5", title: "Mended", kind: "map", heights: "mended", group: "after", marks: "flags", mode: 2 },
  { id: "mended3d", key: "6", title: "Mended, 3-D", kind: "surface", heights: "mended", group: "after" },
];

export const panelOf = (/** @type {string} */ id) => /** @type {Panel} */ (PANELS.find((panel) => panel.id === id));
const RANGES = { full: [0, 6], p01: [1, 5], p1: [2, 4] };

/** Is the plane taken away in the pictures of this group? @param {string} group */
export const flattened = (group) => group === "before" && state.view.flat;

/** Seven percentiles (0, 0.1, 1, 50, 99, 99.9, 100) of what a group shows. @param {string} group @returns {number[]} */
export function percentiles(group) {
  if (group === "diff") return difference().p;
  const frame = group === "before" ? state.frames.get("original") : (group === "after" && state.frames.get("mended")) || state.frames.get("leveled");
  if (!frame) return [0, 0, 0, 0.5, 1, 1, 1];
  return flattened(group) ? frame.head.stats.flat_p : frame.head.stats.p;
}

/** The two panels' worth of numbers that a difference is of. */
export function differenceOf() {
  const [a, b] = state.view.diff === "filled" ? ["mended", "leveled"] : ["original", "leveled"];
  return { a, b, first: state.frames.get(a), second: state.frames.get(b) };
}

let kept = { key: "", p: [0, 0, 0, 0, 1, 1, 1], plane: [0, 0, 0] };

/**
 * What a difference is shown without, and its percentiles. Leveling took a plane or an offset a thousand times as large as
 * what else it did; steps after the filling may have moved everything that was measured.
 */
function difference() {
  const { first, second } = differenceOf();
  if (!first || !second || first.data.length !== second.data.length) return kept;
  const flags = state.frames.get("flags");
  const filled = state.view.diff === "filled";
  const key = [first.head.key, second.head.key, flags?.head.key, state.view.flat].join("|");
  if (kept.key === key) return kept;
  const [, cols] = first.head.shape;
  const [ky, kx] = first.head.full.map((/** @type {number} */ n, /** @type {number} */ i) => n / first.head.shape[i]);
  const plane = filled ? [0, 0, 0] : first.head.stats.plane.map((/** @type {number} */ v, /** @type {number} */ i) => (i && !state.view.flat ? 0 : v - second.head.stats.plane[i]));
  /** @type {number[][]} */
  const [some, measured] = [[], []];
  const step = Math.max(1, Math.floor(first.data.length / 100000));
  for (let i = 0; i < first.data.length; i += step) {
    const d = first.data[i] - second.data[i];
    if (Math.abs(d) < 1e37) (filled && !(flags?.data[i] & 1) ? measured : some).push(d + first.head.offset - second.head.offset
      - planeAt(plane, first.head, ((i % cols) + 0.5) * kx, (Math.floor(i / cols) + 0.5) * ky));
  }
  if (measured.length) plane[0] = measured.sort((x, y) => x - y)[measured.length >> 1];
  some.sort((x, y) => x - y);
  const at = (/** @type {number} */ q) => (some[Math.min(some.length - 1, Math.floor((q / 100) * some.length))] ?? plane[0]) - (filled ? plane[0] : 0);
  kept = { key, p: [0, 0.1, 1, 50, 99, 99.9, 100].map(at), plane };
  return kept;
}

/** Ranges of colors that hold for all frames of a movie. @type {Map<string, [number, number]>} */
export const steady = new Map();

/** Colors run from the first to the second of these. @param {string} group @returns {[number, number]} */
export function limits(group) {
  if (group === "sigma") return [0, Math.max(state.frames.get("sigma")?.head.stats.p[6] || 0, 1e-12)];
  const swipe = group === "before" && state.view.layout === "swipe"; // two halves under one bar
  const own = state.view.limits[group];
  const kept = own ?? steady.get(group);
  if (kept && !swipe) return kept;
  const p = percentiles(group);
  if (group === "diff") return symmetric(p, 0);
  let found = /** @type {[number, number]} */ (state.view.range === "sym" ? symmetric(p, p[3])
    : RANGES[/** @type {"full"|"p01"|"p1"} */ (state.view.range)].map((i) => p[i]));
  if (swipe || (group === "before" && state.view.lock)) {
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
  return (group === "diff" ? Math.max(p[6], -p[0]) : p[6] - p[0]) <= leastSpan();
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

/**
 * What a panel shows now: whose numbers, less whose, under which name, in the colors of which group.
 * @param {Panel} panel
 */
export function seen(panel) {
  const { layout, original, sigma, diff } = state.view;
  const mended = panel.id === "mended";
  if (panel.kind === "map" && panel.group !== "before" && original) return { ...panelOf("original"), minus: "", limited: "before" };
  if (mended && layout === "diff") return { ...panel, title: `Δ by ${diff === "filled" ? "filling" : "leveling"}`, heights: differenceOf().a, minus: differenceOf().b, limited: "diff", mode: 3 };
  if (mended && sigma && state.frames.has("sigma")) return { ...panel, title: "Error bar (1 σ)", heights: "sigma", minus: "", limited: "sigma", mode: 4 };
  return { ...panel, minus: "", limited: /** @type {string} */ (panel.group) };
}

/** What a panel shows at a pixel, on the scale of its color bar. @param {Panel} panel @param {{x: number, y: number}} at */
export function readingAt(panel, { x, y }) {
  const { heights, minus, limited } = seen(panel);
  const [frame, other] = [state.frames.get(heights), state.frames.get(minus)];
  const [value, less] = [valueAt(frame, x, y), minus ? valueAt(other, x, y) : 0];
  if (value === null || less === null) return null;
  return value - less - planeAt(limited === "diff" ? difference().plane : hidden(frame, limited), frame.head, Math.floor(x) + 0.5, Math.floor(y) + 0.5);
}

/** Shift and plane so that a frame's numbers become what the limits are about. @param {any} frame @param {string} group */
export function planeOf(frame, group) {
  if (!frame) return [0, 0, 0];
  const { offset, stats } = frame.head;
  return flattened(group) ? [stats.plane[0] - offset, stats.plane[1], stats.plane[2]] : [0, 0, 0];
}

/** A plane's height at a place, in pixels of the scan. @param {number[]} plane @param {any} head Of the frame it is of. @param {number} x @param {number} y */
export const planeAt = (plane, { full }, x, y) => plane[0] + plane[1] * (y - full[0] / 2) + plane[2] * (x - full[1] / 2);

/** The plane that is not shown of a frame, as recorded. @param {any} frame @param {string} [group] @returns {number[]} */
export const hidden = (frame, group = "") => (frame && flattened(group) ? frame.head.stats.plane : [0, 0, 0]);

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

/** The colors of a map: gray under marks and under the gate's evidence. @param {ReturnType<typeof seen>} shown */
export const mapOf = ({ id, mode, limited }) => (limited === "diff" ? "difference" : limited === "sigma" ? "blue" : (mode === 1 && state.view.overlays) || (id === "original" && evidence()) ? "gray" : state.view.cmap);

/** Everything a painter needs for a map panel. @param {Panel} panel @param {any} box @param {number[]} paper */
export function mapSpec(panel, box, paper) {
  const view = state.view;
  const place = placement(box);
  const shown = seen(panel);
  const { heights, minus, group, limited } = shown;
  const marks = shown.marks === "flags" ? flagsName() : shown.marks ?? "";
  let mode = view.overlays || limited !== group ? shown.mode ?? 0 : 0;
  if (mode === 2 && !view.invented) mode = 0;
  const frame = state.frames.get(heights);
  const full = frame?.head.full ?? [1, 1];
  const map = mapOf(shown);
  let range = limits(limited);
  let plane = [0, 0, 0];
  if (limited === "diff") {
    const shift = (frame?.head.offset ?? 0) - (state.frames.get(minus)?.head.offset ?? 0);
    plane = difference().plane.map((v, i) => (i ? v : v - shift));
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
