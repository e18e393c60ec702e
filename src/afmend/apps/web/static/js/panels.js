// The panels: their places, what is drawn in them, and the pointer on them.

import { byId, fill, h, write } from "./dom.js";
import { evidenceWords } from "./gate.js";
import { hasCard, Painter } from "./gl.js";
import { FlatPainter } from "./flat.js";
import { drawBar, groupOf, reach } from "./colorbar.js";
import { drawOverlay } from "./overlay.js";
import { plain, quantity } from "./numbers.js";
import { PANELS, flagsName, partOf, flattened, limits, mapSpec, onlyRounding, panelOf, placement, planeOf, readingAt, seen, shifted, tableOf, toPixel, toScreen, valueAt } from "./scene.js";
import { exaggeration } from "./surface.js";
import { emit, look, on, state } from "./store.js";

/** @type {Map<string, any>} */
export const cells = new Map();
/** Draws the surfaces; and the maps, where no graphics card does. */
const processor = new FlatPainter();
/** @type {any} */
export let painter = processor;
const dirty = new Set();
let asked = 0;
const CARD_BACK_MS = 2000;
let cardLost = false;
export const drawn = { rev: 0, count: 0, ms: 0 };

/** Choose who draws: the graphics card, or the processor, which is faster than a program that plays graphics card. */
function makePainter() {
  const card = !cardLost && (state.view.painter === "auto" ? hasCard() : state.view.painter === "card");
  const fresh = () => { // a canvas keeps its kind for good
    byId("canvas").replaceWith(byId("canvas").cloneNode());
    return byId("canvas");
  };
  painter = processor;
  try {
    if (card) painter = new Painter(fresh());
  } catch { /* then the processor does it */ }
  byId("canvas").hidden = painter === processor;
  for (const one of cells.values()) one.plain.hidden = painterOf(one) !== processor;
  byId("painter").textContent = cardLost ? "the graphics card is gone: drawn by the processor" : card !== false && painter === processor ? "no WebGL: drawn by the processor" : "";
  if (painter !== processor) watchCard(byId("canvas"));
  for (const name of state.frames.keys()) taken(name);
  measureBoxes();
  redraw();
}

/** A card that was taken away may come back; if it does not, the processor draws. @param {HTMLCanvasElement} canvas */
function watchCard(canvas) {
  let timer = 0;
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault();
    timer = window.setTimeout(() => again(true), CARD_BACK_MS);
  });
  canvas.addEventListener("webglcontextrestored", () => {
    clearTimeout(timer);
    again(false);
  });
  const again = (/** @type {boolean} */ lost) => {
    if (byId("canvas") !== canvas) return;
    cardLost = lost;
    makePainter();
  };
}

/** @param {any} one */
export const painterOf = (one) => (one.panel.kind === "map" ? painter : processor);

/** Color at a place of the stage. @param {number} x @param {number} y @returns {number[]} */
export function pixel(x, y) {
  const one = [...cells.values()].find(({ box }) => box && x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height);
  return one ? painterOf(one).pixel(x, y, one.box) : [0, 0, 0, 0];
}

/** @param {string} name */
function taken(name) {
  for (const each of new Set([painter, processor])) each.setFrame(name, state.frames.get(name));
}

/** Make the panels and the painter. */
export function makePanels() {
  const stage = byId("stage");
  for (const panel of PANELS) stage.append(makeCell(panel));
  new ResizeObserver(() => { measureBoxes(); redraw(); }).observe(stage);
  on("frame", arrived);
  on("done failed parted", flush);
  on("view", (/** @type {any} */ changes) => {
    if ("painter" in changes) {
      cardLost = false;
      makePainter();
    }
    if ("layout" in changes || "solo" in changes) layout();
    touched(changes);
  });
  on("cursor", () => overlayOnly());
  on("noted", () => overlayOnly());
  on("tipped", () => redraw(["mended"]));
  on("shapes gated", () => overlayOnly());
  on("doc", () => { painter.clear(); processor.clear(); redraw(); });
  layout();
  makePainter();
}

/** @type {Set<string>} */
const waiting = new Set();
let flushing = 0;
const PATIENCE_MS = 50;

/** A frame is there: the pictures of a quick run are drawn together at its end, those of a slow one as they come. @param {string} name */
function arrived(name) {
  const frame = state.frames.get(name);
  if (!frame) return;
  taken(name);
  for (const id of users(name)) waiting.add(id);
  flushing ||= window.setTimeout(flush, PATIENCE_MS);
}

function flush() {
  clearTimeout(flushing);
  flushing = 0;
  if (waiting.size) redraw([...waiting]);
  waiting.clear();
}

/** Panels that show something of a frame. @param {string} name */
function users(name) {
  if (["flags", "sigma", "tip_flags"].includes(name)) return ["mended", "mended3d"];
  if (name === "tip") return [];
  if (name === "raw_mask") return ["raw"];
  if (name === "mask") return ["mask"];
  const both = ["diff", "swipe"].includes(state.view.layout) ? ["mended"] : [];
  if (name === "original") return ["original", "original3d", "raw", ...both];
  if (name === "leveled") return ["mask", "original3d", ...both];
  return ["mended", "mended3d", "original3d", ...(state.view.lock ? ["original"] : [])];
}

/** @param {import("./scene.js").Panel} panel */
function makeCell(panel) {
  const [plain, overlay] = ["picture", "overlay"].map((name) => h("canvas", { class: name }));
  const bar = panel.kind === "map" && panel.mode !== 1 ? h("canvas", { class: "bar", tabindex: "0", role: "group", "aria-roledescription": "color range", title: "Drag the ends; a double click brings back the range of the menu", "aria-label": `Color range of ${panel.title}: arrows move the upper end, with Shift the lower` }) : null;
  const body = h("div", { class: "body", tabindex: "0", role: "application", "aria-roledescription": "picture", "aria-label": panel.title, data: { panel: panel.id } }, plain, overlay);
  const facts = h("span", { class: "facts" });
  const cell = h("section", { class: `panel ${panel.kind}`, id: `panel-${panel.id}`, "aria-label": panel.title },
    h("header", {}, h("button", { class: "quiet title", data: { tip: "Show alone", key: panel.key }, onclick: () => maximise(panel.id) }, panel.title), facts),
    h("div", { class: "inner" }, body, bar));
  cells.set(panel.id, { panel, cell, body, overlay, bar, facts, plain, box: null });
  return cell;
}

/** Show a panel alone, or all again. @param {string} id */
export function maximise(id) {
  if (state.view.layout === "one" && state.view.solo === id) look({ layout: "six" });
  else look({ layout: "one", solo: id });
}

/** The panels in sight, in their order. */
export function visible() {
  const { layout: kind, solo } = state.view;
  if (kind === "one") return [solo];
  if (kind === "two") return ["original", "mended"];
  if (kind === "swipe") return ["mended"];
  if (kind === "diff") return ["original", "mended"];
  return PANELS.map((panel) => panel.id);
}

function layout() {
  const shown = visible();
  byId("stage").className = `stage ${state.view.layout}`;
  for (const [id, { cell }] of cells) cell.hidden = !shown.includes(id);
  measureBoxes();
}

/** Where the panels are, in CSS pixels of the stage. */
function measureBoxes() {
  for (const one of cells.values()) one.sign = one.drawn = "";
  const stage = byId("stage").getBoundingClientRect();
  const dpr = window.devicePixelRatio || 1;
  painter.resize(stage.width, stage.height, dpr);
  painter.wipe(paperColor());
  let [narrow, low] = [Infinity, Infinity];
  for (const one of cells.values()) {
    const rect = one.body.getBoundingClientRect();
    one.box = one.cell.hidden || rect.width < 2 ? null : { x: rect.left - stage.left, y: rect.top - stage.top, width: rect.width, height: rect.height, canvas: one.plain };
    if (one.box && one.panel.kind === "map") [narrow, low] = [Math.min(narrow, rect.width), Math.min(low, rect.height)];
    for (const canvas of [one.overlay, one.bar]) {
      if (!canvas || !one.box) continue;
      const size = canvas.getBoundingClientRect();
      const [w, h_] = [Math.round(size.width * dpr), Math.round(size.height * dpr)];
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h_) canvas.height = h_;
    }
  }
  for (const one of cells.values()) if (one.box) one.box.fit = [Math.min(narrow, one.box.width), Math.min(low, one.box.height)]; // all maps at one scale
}

/** Draw again before the next picture of the screen. @param {string[]} [ids] */
export function redraw(ids = [...cells.keys()]) {
  for (const id of ids) dirty.add(id);
  if (ids.length === cells.size) dirty.add("overlays");
  if (!asked) asked = requestAnimationFrame(draw);
}

function overlayOnly() {
  dirty.add("overlays");
  if (!asked) asked = requestAnimationFrame(draw);
}

function draw() {
  asked = 0;
  const began = performance.now();
  const paper = paperColor();
  for (const [id, one] of cells) {
    if (!one.box) continue;
    if (dirty.has(id)) {
      if (one.panel.kind === "map") drawMap(one, paper);
      else drawSurface(one, paper);
      if (one.bar) drawBar(one.bar, one.panel);
      if (one.bar) one.bar.style.visibility = state.info && (!state.frames.has(one.panel.heights) || onlyRounding(groupOf(one.panel))) ? "hidden" : "";
    }
    if (dirty.has("overlays") || (dirty.has(id) && one.noted)) drawOverlay(one);
    facts(one);
  }
  if (dirty.size > 1 || !dirty.has("overlays")) drawn.count++;
  dirty.clear();
  drawn.ms = performance.now() - began;
  emit("drawn");
}

const QUIET = ["tool", "layer", "brush", "shortcuts", "gate", "dockHeight", "keys"];
const CAMERA = ["turn", "tilt", "z"];
const PLACE = ["k", "cx", "cy"];

/** Draw again what a change of the view touches. @param {any} changes */
function touched(changes) {
  const names = Object.keys(changes);
  if (names.every((name) => QUIET.includes(name))) overlayOnly();
  else if (names.every((name) => CAMERA.includes(name))) redraw(["original3d", "mended3d"]);
  else if (names.every((name) => PLACE.includes(name))) {
    overlayOnly();
    redraw(["original", "raw", "mask", "mended"]);
  } else redraw();
}

/** @param {any} spec */
const signOf = ({ box, heights, frame, minusFrame, marksFrame, map, center, scale, plane, range, mode, split, relief, turn, tilt, paper }) =>
  JSON.stringify([box, heights, frame?.head.key, minusFrame?.head.key, marksFrame?.head.key, map, center, scale, plane, range, mode, split, relief, turn, tilt, paper]);

/** @param {any} one @param {number[]} paper */
function drawMap(one, paper) {
  const spec = mapSpec(one.panel, one.box, paper);
  if (state.view.layout === "swipe") spec.split = state.view.swipe * one.box.width;
  const sign = signOf(spec) + (spec.split ? JSON.stringify(limits("before")) : "");
  if (sign === one.sign) return; // never twice the same
  one.sign = sign;
  if (state.view.layout !== "swipe") {
    painter.drawMap(spec);
    return;
  }
  painter.drawMap(mapSpec(panelOf("original"), one.box, paper));
  painter.drawMap(spec);
}

/** @param {any} one @param {number[]} paper */
function drawSurface(one, paper) {
  const spec = surfaceSpec(one.panel, one.box, paper);
  const sign = signOf(spec);
  if (sign === one.sign) return;
  one.sign = sign;
  processor.drawSurface(spec);
}

/** @param {import("./scene.js").Panel} panel @param {any} box @param {number[]} paper */
function surfaceSpec(panel, box, paper) {
  const frame = state.frames.get(panel.heights);
  const range = limits(panel.group);
  const grid = state.info?.grid;
  const sides = grid ? [grid.cols * grid.pixel_fast_nm, grid.rows * grid.pixel_slow_nm] : [1, 1];
  const [low, high] = limits(state.frames.has("mended") || state.frames.has("leveled") ? "after" : "before");
  const factor = exaggeration(high - low, Math.max(...sides)) * state.view.z;
  return {
    box, heights: panel.heights, frame, marksFrame: panel.id === "mended3d" && state.view.overlays && state.view.invented ? state.frames.get("flags") : undefined, map: state.view.cmap, table: tableOf(state.view.cmap), plane: planeOf(frame, panel.group),
    range: shifted(frame, panel.group, range), relief: Math.min(1.5, (factor * (range[1] - range[0])) / Math.max(...sides)),
    turn: state.view.turn, tilt: state.view.tilt, sides, paper, factor,
  };
}

/** @type {number[]|null} */
let paperKept = null;
export const forgetPaper = () => { paperKept = null; measureBoxes(); };

function paperColor() {
  paperKept ??= (getComputedStyle(byId("stage")).backgroundColor.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map((n) => Number(n) / 255);
  return paperKept;
}

// ------------------------------------------------------------------ words in the head of a panel

/** @param {any} one */
function facts(one) {
  const { panel } = one;
  const shown = seen(panel);
  const unit = state.frames.get(panel.heights)?.head.unit ?? "";
  let text = "";
  if (state.info && !state.frames.has(panel.heights)) text = "";
  else if (panel.kind === "surface") {
    const spec = surfaceSpec(panel, one.box, []);
    text = onlyRounding(panel.group) ? "flat" : state.info?.grid.calibrated && unit === "nm" ? `z × ${plain(spec.factor)}` : "z scale arbitrary";
  } else if (partOf(panel)) text = "preview inside the frame";
  else if (panel.mode === 1) text = maskFacts(state.frames.get(panel.marks ?? ""));
  else text = reading(one, shown, unit);
  write(one.cell.querySelector(".title"), shown.title);
  write(one.facts, text);
  if (one.facts.title !== text) one.facts.title = text;
}

/** What a map says, at the pixel under the pointer if there is one. @param {any} one @param {ReturnType<typeof seen>} shown @param {string} unit */
function reading({ panel, box }, shown, unit) {
  const { cursor, view } = state;
  const swiped = view.layout === "swipe" && !view.original;
  const before = swiped && cursor && toScreen(placement(box), box, cursor.x, cursor.y)[0] < view.swipe * box.width;
  const from = before ? panelOf("original") : panel;
  const group = before ? "before" : shown.limited;
  const bare = group === "before" && flattened(group) ? "without its plane" : "";
  const value = cursor ? readingAt(from, cursor) : null;
  let text = cursor && value !== null ? `${{ diff: "Δ", sigma: "σ" }[group] ?? "z"} ${quantity(value, unit, Math.max(...reach(shown.limited).map(Math.abs)))}` : "";
  if (onlyRounding(group)) text ||= group === "diff" ? "no difference" : "flat: nothing but rounding";
  else if (group === "diff") text = `${text || `${view.diff === "filled" ? "mended" : "original"} − leveled`}${view.diff === "filled" ? "" : view.flat ? ", without a plane" : ", without offset"}`;
  else if (group === "sigma") text ||= cursor ? noError(cursor) : "gray: measured";
  else if (bare) text = text ? `${text} ${bare}` : `shown ${bare}`;
  else text ||= panel.id === "mended" && !view.original ? mendedFacts() : "";
  if (swiped) text = cursor ? `${before ? "before" : "after"}: ${text}` : "both in one span of colors";
  return [shown.id === "original" ? evidenceWords() : "", text].filter(Boolean).join("; ");
}

/** Why a pixel has no error bar. @param {{x: number, y: number}} at */
function noError({ x, y }) {
  const flags = valueAt(state.frames.get("flags"), x, y) ?? 0;
  return flags & 1 ? "invented: σ unknown" : flags & 2 ? "left open" : "measured: no σ";
}

const percent = (/** @type {number} */ part, /** @type {any} */ head) => `${plain((100 * part) / (head.full[0] * head.full[1]), 2)} %`;

/** @param {any} frame */
function maskFacts(frame) {
  if (!frame) return "";
  const { counts } = frame.head;
  const marked = percent(counts.holes, frame.head);
  return counts.excluded ? `${marked}, ${percent(counts.excluded, frame.head)} excluded` : `${marked} marked`;
}

function mendedFacts() {
  const flags = state.frames.get(flagsName());
  if (!flags) return "";
  const { counts } = flags.head;
  const parts = [`${percent(counts.invented, flags.head)} filled`];
  if (counts.open) parts.push(`${percent(counts.open, flags.head)} left open`);
  if (counts.untouched) parts.push(`${percent(counts.untouched, flags.head)} untouched`);
  return parts.join(", ");
}

/** The legend of what is marked, under the panels: whatever has a color or stripes of its own. */
export function legend() {
  const [mask, flags] = ["mask", flagsName()].map((name) => state.frames.get(name)?.head);
  if (!mask || !flags) return;
  const entries = mask.legend.map((/** @type {any} */ one) => ["", one.color, `${one.name.replaceAll("_", " ")} ${plain(one.pixels, 3)} px`]);
  for (const [sign, name, count] of [["exclude", "excluded from leveling", mask.counts.excluded], ["void", "never measured", mask.counts.missing], ["filled", "filled: invented", flags.counts.invented],
    ["open", "left open", flags.counts.open], ["nobar", "filled without an error bar", flags.counts.no_bar], ["bound", "never touched by the tip", flags.counts.untouched]]) {
    if (count) entries.push([sign, "", `${name} ${percent(count, flags)}`]);
  }
  const sign = JSON.stringify(entries);
  if (byId("legend").dataset.sign === sign) return;
  byId("legend").dataset.sign = sign;
  fill(byId("legend"), ...entries.map((/** @type {string[]} */ [kind, color, text]) => {
    const swatch = h("i", { class: `swatch ${kind}` });
    swatch.style.background = color;
    return h("span", {}, swatch, text);
  }));
}

// ------------------------------------------------------------------ the pointer

/** Pixel of the scan under the pointer. @param {any} one @param {PointerEvent|WheelEvent|MouseEvent} event */
export function pixelAt(one, event) {
  const place = placement(one.box);
  if (!place) return null;
  const rect = one.body.getBoundingClientRect();
  return toPixel(place, one.box, event.clientX - rect.left, event.clientY - rect.top);
}
