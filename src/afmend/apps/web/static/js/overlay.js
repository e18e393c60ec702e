// Over each map: scale bar, cursor, drawings, lines. Drawn on a canvas of its own, so that it never waits for the server.

import { PLAIN } from "./dom.js";
import { evidence } from "./gate.js";
import { partOf, placement, toScreen } from "./scene.js";
import { scaleBar } from "./numbers.js";
import { state, strokesOf } from "./store.js";
import { sketch } from "./sketch.js";

const COLORS = { exclude: "#ffd91a", include: "#8a8a8a", add: "#7b3ff2", erase: "#d0d0d0" };

/** @param {any} one A cell of panels.js. */
export function drawOverlay(one) {
  const dpr = window.devicePixelRatio || 1;
  const place = placement(one.box);
  const empty = state.info && !state.frames.has(one.panel.heights);
  if (!place || (one.panel.kind !== "map" && !empty && !one.noted)) return;
  const strokes = strokesOf();
  const { overlays, tool, brush, layout, swipe } = state.view;
  const sign = JSON.stringify([one.box, place, overlays, tool, brush, layout, swipe, state.cursor, state.line, state.areas, sketch.tool, sketch.layer, sketch.points.length, sketch.points.at(-1), sketch.hover, sketch.panel, sketch.caret, partOf(one.panel), empty && state.note, evidence()?.verdict, state.doc]);
  if (sign === one.drawn && strokes === one.strokes) return;
  [one.drawn, one.strokes] = [sign, strokes];
  const pen = one.overlay.getContext("2d", PLAIN);
  pen.setTransform(dpr, 0, 0, dpr, 0, 0);
  pen.clearRect(0, 0, one.box.width, one.box.height);
  one.noted = empty;
  if (empty) note(pen, one.box);
  if (empty || one.panel.kind !== "map") return;
  const at = (/** @type {number[]} */ p) => toScreen(place, one.box, p[0], p[1]);
  if (state.view.overlays) {
    if (one.panel.id === "original") looks(pen, at, place);
    for (const stroke of strokes) outline(pen, stroke, at, one.panel.mode === 1);
    if (state.line && one.panel.mode !== 1) line(pen, state.line.map(at));
    if (one.panel.id === "mended" || one.panel.id === "original") state.areas.forEach((area, i) => region(pen, area.map(at), i));
  }
  if (sketch.points.length) current(pen, at, place);
  if (state.cursor) cross(pen, at([state.cursor.x, state.cursor.y]), one.box);
  if (state.cursor && ["brush", "eraser"].includes(state.view.tool)) ring(pen, at([state.cursor.x, state.cursor.y]), place);
  if (sketch.caret && sketch.panel === one.panel.id) caret(pen, at(sketch.caret));
  bar(pen, one.box, place);
  const part = partOf(one.panel);
  if (part) preview(pen, at([part[2], part[0]]), at([part[3], part[1]]));
  if (state.view.layout === "swipe") handle(pen, state.view.swipe * one.box.width, one.box.height);
}

/** Where the gate gets its evidence from. @param {CanvasRenderingContext2D} pen @param {(p: number[]) => number[]} at @param {any} place */
function looks(pen, at, place) {
  const found = evidence();
  if (!found) return;
  const [[x0, y0], [x1, y1]] = [at([0, 0]), at([place.cols, place.rows])];
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(found.canvas, x0, y0, x1 - x0, y1 - y0);
  for (const { x, y, sign } of found.signs) label(pen, sign, x0 + x * (x1 - x0) - 4, y0 + y * (y1 - y0) + 4);
}

/** What is going on, where there is no picture yet. @param {CanvasRenderingContext2D} pen @param {any} box */
function note(pen, box) {
  if (!state.note) return; // what is done at once is not announced
  pen.font = "13px system-ui, sans-serif";
  pen.fillStyle = getComputedStyle(pen.canvas).color;
  pen.textAlign = "center";
  state.note.split("\n").forEach((text, i) => pen.fillText(text, box.width / 2, box.height / 2 + 18 * i, box.width - 8));
  pen.textAlign = "left";
}

/** A line that is seen on every background. @param {CanvasRenderingContext2D} pen @param {string} color @param {number} [width] */
function twice(pen, color, width = 1.5) {
  pen.lineWidth = width + 2;
  pen.strokeStyle = "rgba(0,0,0,0.65)";
  pen.stroke();
  pen.lineWidth = width;
  pen.strokeStyle = color;
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} points @param {boolean} closed */
function path(pen, points, closed) {
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  if (closed) pen.closePath();
}

/** @param {CanvasRenderingContext2D} pen @param {import("./store.js").Stroke} stroke @param {(p: number[]) => number[]} at @param {boolean} tinted */
function outline(pen, stroke, at, tinted) {
  if (stroke.tool === "brush") { // outlines of a hundred capsules would hide what is below
    const all = new Path2D();
    for (const polygon of stroke.polygons) all.addPath(new Path2D(`M${polygon.map(at).join("L")}Z`));
    pen.fillStyle = `${COLORS[stroke.layer]}66`;
    if (!tinted) pen.fill(all);
    return;
  }
  pen.setLineDash(stroke.layer === "erase" || stroke.layer === "include" ? [4, 3] : []);
  for (const polygon of stroke.polygons) {
    path(pen, polygon.map(at), true);
    twice(pen, COLORS[stroke.layer], 1.2);
  }
  pen.setLineDash([]);
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} points */
function line(pen, points) {
  path(pen, points, false);
  twice(pen, "#ffffff");
  points.forEach(([x, y], i) => {
    pen.beginPath();
    pen.arc(x, y, 4, 0, 7);
    twice(pen, "#ffffff");
    label(pen, i ? "B" : "A", x + 7, y - 7);
  });
}

/** @param {CanvasRenderingContext2D} pen @param {number[][]} points @param {number} index */
function region(pen, points, index) {
  path(pen, points, true);
  twice(pen, index ? "#ff9df0" : "#a5ff9d");
  label(pen, index ? "2" : "1", points[0][0] + 5, points[0][1] + 14);
}

/** @param {CanvasRenderingContext2D} pen @param {string} text @param {number} x @param {number} y */
function label(pen, text, x, y) {
  pen.font = "600 12px system-ui, sans-serif";
  pen.lineWidth = 3;
  pen.strokeStyle = "rgba(0,0,0,0.75)";
  pen.strokeText(text, x, y);
  pen.fillStyle = "#fff";
  pen.fillText(text, x, y);
}

/** What is being drawn now. @param {CanvasRenderingContext2D} pen @param {(p: number[]) => number[]} at @param {any} place */
function current(pen, at, place) {
  const points = sketch.points.map(at);
  const color = sketch.tool === "line" || sketch.tool === "area" ? "#ffffff" : COLORS[sketch.layer];
  if (sketch.tool === "brush" || sketch.tool === "eraser") {
    pen.lineCap = "round";
    pen.lineJoin = "round";
    pen.globalAlpha = 0.55;
    path(pen, points.length > 1 ? points : [points[0], [points[0][0] + 0.01, points[0][1]]], false);
    pen.lineWidth = state.view.brush * Math.sqrt(place.sx * place.sy);
    pen.strokeStyle = color;
    pen.stroke();
    pen.globalAlpha = 1;
    return;
  }
  const rest = sketch.tool === "polygon" && sketch.hover ? [...points, at(sketch.hover)] : points;
  path(pen, rest, sketch.tool === "lasso" || sketch.tool === "rectangle" || sketch.tool === "area");
  twice(pen, color);
  if (sketch.tool === "polygon") for (const [x, y] of points) {
    pen.beginPath();
    pen.arc(x, y, 3, 0, 7);
    twice(pen, color);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} p @param {any} box */
function cross(pen, [x, y], box) {
  pen.beginPath();
  for (const [a, b, c, d] of [[0, y, x - 7, y], [x + 7, y, box.width, y], [x, 0, x, y - 7], [x, y + 7, x, box.height]]) {
    pen.moveTo(a, b);
    pen.lineTo(c, d);
  }
  pen.lineWidth = 1;
  pen.strokeStyle = "rgba(255,255,255,0.55)";
  pen.stroke();
  pen.setLineDash([2, 2]);
  pen.strokeStyle = "rgba(0,0,0,0.55)";
  pen.stroke();
  pen.setLineDash([]);
}

/** The brush's size. @param {CanvasRenderingContext2D} pen @param {number[]} p @param {any} place */
function ring(pen, [x, y], place) {
  pen.beginPath();
  pen.ellipse(x, y, 0.5 * state.view.brush * place.sx, 0.5 * state.view.brush * place.sy, 0, 0, 7);
  twice(pen, "#ffffff", 1);
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} p */
function caret(pen, [x, y]) {
  pen.beginPath();
  pen.arc(x, y, 6, 0, 7);
  pen.moveTo(x - 10, y);
  pen.lineTo(x + 10, y);
  pen.moveTo(x, y - 10);
  pen.lineTo(x, y + 10);
  twice(pen, "#ff4fd8");
}

/** @param {CanvasRenderingContext2D} pen @param {any} box @param {any} place */
function bar(pen, box, place) {
  const grid = state.info.grid;
  const shown = Math.min(box.width / place.sx, grid.cols) * (grid.calibrated ? grid.pixel_fast_nm : 1);
  const { length, label: text } = scaleBar(shown, grid.calibrated);
  const width = (length / (grid.calibrated ? grid.pixel_fast_nm : 1)) * place.sx;
  const left = Math.max(8, box.width / 2 - 0.5 * grid.cols * place.sx + 8);
  const bottom = Math.min(box.height - 9, box.height / 2 + (grid.rows - place.cy) * place.sy - 9);
  pen.fillStyle = "rgba(0,0,0,0.6)";
  pen.fillRect(left - 3, bottom - 3, width + 6, 9);
  pen.fillStyle = "#fff";
  pen.fillRect(left, bottom, width, 3);
  label(pen, `${text}${place.stretched ? " (stretched)" : ""}`, left, bottom - 6);
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} from @param {number[]} to */
function preview(pen, [x0, y0], [x1, y1]) {
  pen.setLineDash([6, 4]);
  path(pen, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], true);
  twice(pen, "#ffffff");
  pen.setLineDash([]);
  label(pen, "preview", Math.max(4, x0 + 5), Math.max(14, y0 + 15));
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} height */
function handle(pen, x, height) {
  pen.beginPath();
  pen.moveTo(x, 0);
  pen.lineTo(x, height);
  twice(pen, "#ffffff", 2);
  label(pen, "before", Math.max(4, x - 52), 16);
  label(pen, "after", x + 8, 16);
}
