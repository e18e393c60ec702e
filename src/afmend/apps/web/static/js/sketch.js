// What is being drawn and has not become a stroke yet. Nothing here can get stuck: Escape, another tool, another file
// and a lost pointer all end it.

import { say } from "./dom.js";
import { brushed, clamped, holdsPixel, rectangle, straightened } from "./geometry.js";
import { change, emit, look, on, state, strokesOf, withStrokes } from "./store.js";

export const sketch = {
  tool: "", layer: /** @type {"exclude"|"include"|"add"|"erase"} */ ("exclude"),
  /** @type {number[][]} */ points: [],
  /** @type {number[]|null} */ hover: null,
  panel: "", active: false,
  /** @type {number[]|null} */ caret: null,
  /** Where a rectangle began. @type {number[]|undefined} */ corner: undefined,
  reach: 1, // pixels within which a polygon closes
};

export const TOOLS = {
  pan: ["Pan and zoom", "v"], rectangle: ["Rectangle", "r"], polygon: ["Polygon", "p"], lasso: ["Lasso", "l"],
  brush: ["Brush", "b"], eraser: ["Eraser", "e"], line: ["Line profile", "m"], area: ["Areas for step height", "s"],
};
const NAMES = { rectangle: "rectangle", polygon: "polygon", lasso: "lasso", brush: "brush stroke", eraser: "eraser stroke" };
const size = () => ({ cols: state.info?.grid.cols ?? 0, rows: state.info?.grid.rows ?? 0 });

/** @param {string} tool */
export function choose(tool) {
  cancel();
  look({ tool });
}

/** End what is being drawn, without a trace. */
export function cancel() {
  sketch.points = [];
  sketch.hover = null;
  sketch.active = false;
  sketch.tool = "";
  sketch.corner = undefined;
  emit("shapes");
}

/** The pointer was taken away (a gesture of the system): half a stroke is none; a polygon has its corners. */
export function lose() {
  sketch.active = false;
  if (sketch.tool !== "polygon") cancel();
}

on("doc", () => { sketch.caret = null; cancel(); });

/** Which layer a tool works on; `opposite` (Alt) takes away instead. @param {string} tool @param {boolean} opposite */
function layerOf(tool, opposite) {
  const away = (tool === "eraser") !== opposite;
  if (state.view.layer === "exclude") return away ? "include" : "exclude";
  return away ? "erase" : "add";
}

/** The pointer went down. @param {string} panel @param {number[]} p @param {{alt?: boolean, shift?: boolean}} keys */
export function press(panel, p, keys = {}) {
  const tool = state.view.tool;
  if (sketch.tool === "polygon" && tool === "polygon" && sketch.points.length) {
    move(p, keys);
    corner(p);
    return;
  }
  Object.assign(sketch, { tool, panel, active: true, layer: layerOf(tool, keys.alt ?? false), points: [p], hover: null, corner: p });
  emit("shapes");
}

/** The pointer moved. @param {number[]} p @param {{shift?: boolean}} keys */
export function move(p, keys = {}) {
  if (!sketch.tool) return;
  const { cols, rows } = size();
  const first = sketch.points[0];
  if (sketch.tool === "polygon") sketch.hover = keys.shift ? straightened(sketch.points[sketch.points.length - 1], p) : p;
  else if (!sketch.active) return;
  else if (sketch.tool === "line") sketch.points = [first, keys.shift ? straightened(first, p) : p];
  else if (sketch.tool === "rectangle" || sketch.tool === "area") {
    sketch.hover = p;
    sketch.points = rectangle(sketch.corner ?? first, p, cols, rows);
  } else sketch.points.push(p);
  emit("shapes");
}

/** The pointer went up. @param {number[]} p */
export function release(p) {
  if (!sketch.active) return;
  sketch.active = false;
  if (sketch.tool === "polygon") return;
  const points = sketch.points;
  const tool = sketch.tool;
  const moved = points.length > 2 || (points.length === 2 && Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) > 0.5);
  if (tool === "line") finishLine(moved ? points : null);
  else if (tool === "area") finishArea(moved ? points : null);
  else if (tool === "brush" || tool === "eraser") commit(brushed(points, state.view.brush, size().cols, size().rows));
  else if (moved) commit([points]);
  cancel();
  void p;
}

/** Add a corner of a polygon; near the first one it closes. @param {number[]} p */
export function corner(p) {
  const first = sketch.points[0];
  const place = sketch.reach ?? 1;
  if (sketch.points.length > 2 && Math.hypot(p[0] - first[0], p[1] - first[1]) < place) close();
  else {
    sketch.points.push(sketch.hover ?? p);
    emit("shapes");
  }
}

/** Close the polygon. */
export function close() {
  const points = sketch.points;
  if (sketch.tool !== "polygon" || !points.length) return false;
  if (points.length < 3) say("A polygon needs three corners.");
  else {
    commit([points]);
    cancel();
  }
  return true;
}

/** Take the last corner back. */
export function takeBack() {
  if (sketch.tool !== "polygon" || !sketch.points.length) return false;
  sketch.points.pop();
  if (!sketch.points.length) cancel();
  emit("shapes");
  return true;
}

/** Make a stroke of polygons. @param {number[][][]} polygons */
function commit(polygons) {
  const { cols, rows } = size();
  const doc = state.doc;
  const clean = polygons.map((points) => points.map((p) => clamped(p, cols, rows).map((v) => Math.round(v * 1000) / 1000)));
  const good = clean.filter((points) => holdsPixel(points, cols, rows));
  if (!doc || !good.length) {
    say("That holds no pixel of the scan.");
    return;
  }
  const stroke = { layer: sketch.layer, tool: sketch.tool === "eraser" ? "brush" : sketch.tool, polygons: good };
  const name = NAMES[/** @type {keyof typeof NAMES} */ (sketch.tool)] ?? sketch.tool;
  change(`draw a ${name}`, (work) => withStrokes(work, doc.ref, [...strokesOf(doc.ref), stroke]));
}

/** @param {number[][]|null} points */
function finishLine(points) {
  state.line = points ? [points[0], points[points.length - 1]] : null;
  if (points) look({ dock: "profile" });
  emit("line");
}

/** @param {number[][]|null} points */
function finishArea(points) {
  if (points) state.areas = [...state.areas, points].slice(-2);
  else state.areas = [];
  look({ dock: "step" });
  emit("areas");
}

// ------------------------------------------------------------------ drawing with the keyboard

/** Move the caret of a panel; it appears in the middle. @param {string} panel @param {number} dx @param {number} dy In pixels. */
export function moveCaret(panel, dx, dy) {
  const { cols, rows } = size();
  const from = sketch.caret ?? [cols * state.view.cx, rows * state.view.cy];
  sketch.caret = clamped([from[0] + dx, from[1] + dy], cols, rows);
  sketch.panel = panel;
  state.cursor = { x: Math.min(cols - 0.5, sketch.caret[0]), y: Math.min(rows - 0.5, sketch.caret[1]) };
  if (sketch.tool) move(sketch.caret);
  emit("cursor");
}

/** Space at the caret: a corner, or the start or end of a drag. @param {string} panel */
export function tapCaret(panel) {
  if (!sketch.caret) moveCaret(panel, 0, 0);
  const p = /** @type {number[]} */ (sketch.caret);
  if (!sketch.tool) press(panel, [...p]);
  else if (sketch.tool === "polygon") {
    sketch.hover = null;
    corner([...p]);
  } else {
    move([...p]);
    release(p);
  }
}

/** Delete one stroke of the file in sight. @param {number} index */
export function forget(index) {
  const doc = state.doc;
  if (doc) change("delete a drawing", (work) => withStrokes(work, doc.ref, strokesOf(doc.ref).filter((_, i) => i !== index)));
}
