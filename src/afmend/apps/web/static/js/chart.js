// A small chart of lines on a canvas: axes with units, a legend, a band.

import { PLAIN } from "./dom.js";
import { display, round, ticks } from "./numbers.js";

/** @typedef {{name: string, color: string, dash?: number[], x: ArrayLike<number>, y: ArrayLike<number>, band?: ArrayLike<number>, fill?: boolean, marks?: ArrayLike<number>}} Series */

/**
 * @param {HTMLCanvasElement} canvas @param {Series[]} series
 * @param {{x: string, y: string, xName: string, yName: string, zero?: boolean, least?: number}} units `least`: what y spans at least.
 */
export function drawChart(canvas, series, units) {
  const dpr = window.devicePixelRatio || 1;
  const rect = canvas.getBoundingClientRect();
  const [w, h] = [Math.max(1, Math.round(rect.width * dpr)), Math.max(1, Math.round(rect.height * dpr))];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", PLAIN));
  pen.setTransform(dpr, 0, 0, dpr, 0, 0);
  pen.clearRect(0, 0, rect.width, rect.height);
  const ink = getComputedStyle(canvas).color;
  pen.font = "11px system-ui, sans-serif";
  const names = legend(pen, series, rect.width - 70);
  const frame = { left: 58, right: rect.width - 12, top: 20 + 14 * (names.at(-1)?.row ?? 0), bottom: rect.height - 30 };
  const xs = extent(series.map((one) => one.x));
  const ys = extent(series.map((one) => one.y));
  if (!xs || !ys || frame.right < frame.left + 40 || frame.bottom < frame.top + 20) return;
  const short = 0.5 * ((units.least ?? 0) - (ys[1] - ys[0]));
  if (short > 0) [ys[0], ys[1]] = [ys[0] - short, ys[1] + short];
  const pad = 0.06 * (ys[1] - ys[0] || Math.abs(ys[0]) || 1);
  const [low, high] = units.zero ? [0, ys[1] + pad] : [ys[0] - pad, ys[1] + pad];
  const sx = (/** @type {number} */ v) => frame.left + ((v - xs[0]) / (xs[1] - xs[0] || 1)) * (frame.right - frame.left);
  const sy = (/** @type {number} */ v) => frame.bottom - ((v - low) / (high - low)) * (frame.bottom - frame.top);
  axes(pen, ink, frame, { xs, ys: [low, high], sx, sy, units });
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
  pen.clip();
  for (const one of series) curve(pen, one, sx, sy);
  pen.restore();
  pen.font = "11px system-ui, sans-serif";
  series.forEach((one, i) => {
    const [at, y] = [frame.left + 6 + names[i].x, 10 + 14 * names[i].row];
    pen.strokeStyle = one.color;
    pen.lineWidth = 2;
    pen.setLineDash(one.dash ?? []);
    pen.beginPath();
    pen.moveTo(at, y);
    pen.lineTo(at + 18, y);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = ink;
    pen.fillText(one.name, at + 23, y + 4, Math.max(20, rect.width - at - 27));
  });
}

/** Where the names of the curves go: in rows, as many as it takes. @param {CanvasRenderingContext2D} pen @param {Series[]} series @param {number} width */
function legend(pen, series, width) {
  let [x, row] = [0, 0];
  return series.map((one) => {
    const needs = 38 + pen.measureText(one.name).width;
    if (x && x + needs - 15 > width) [x, row] = [0, row + 1];
    const place = { x, row };
    x += needs;
    return place;
  });
}

/** @param {ArrayLike<number>[]} all @returns {[number, number]|null} */
function extent(all) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of all) for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (!Number.isFinite(v)) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low <= high ? [low, high] : null;
}

/** @param {CanvasRenderingContext2D} pen @param {string} ink @param {any} frame @param {any} scale */
function axes(pen, ink, frame, { xs, ys, sx, sy, units }) {
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  const ux = display(Math.max(Math.abs(xs[0]), Math.abs(xs[1])), units.x);
  const uy = display(Math.max(Math.abs(ys[0]), Math.abs(ys[1])), units.y);
  pen.globalAlpha = 0.25;
  for (const v of ticks(ys[0] * uy.factor, ys[1] * uy.factor, Math.max(3, (frame.bottom - frame.top) / 26))) {
    const y = Math.round(sy(v / uy.factor)) + 0.5;
    pen.beginPath();
    pen.moveTo(frame.left, y);
    pen.lineTo(frame.right, y);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.textAlign = "right";
    pen.fillText(round(v), frame.left - 5, y + 3.5);
    pen.globalAlpha = 0.25;
  }
  pen.globalAlpha = 1;
  pen.textAlign = "center";
  for (const v of ticks(xs[0] * ux.factor, xs[1] * ux.factor, Math.max(2, (frame.right - frame.left) / 90))) {
    const x = sx(v / ux.factor);
    pen.fillRect(x, frame.bottom, 1, 4);
    pen.fillText(round(v), x, frame.bottom + 15);
  }
  pen.strokeRect(frame.left + 0.5, frame.top + 0.5, frame.right - frame.left, frame.bottom - frame.top);
  pen.fillText(`${units.xName}${ux.unit ? ` (${ux.unit})` : ""}`, (frame.left + frame.right) / 2, frame.bottom + 27);
  pen.save();
  pen.translate(11, (frame.top + frame.bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(`${units.yName}${uy.unit ? ` (${uy.unit})` : ""}`, 0, 0);
  pen.restore();
  pen.textAlign = "left";
}

/** @param {CanvasRenderingContext2D} pen @param {Series} one @param {(v: number) => number} sx @param {(v: number) => number} sy */
function curve(pen, one, sx, sy) {
  if (one.marks) {
    pen.fillStyle = one.color;
    pen.globalAlpha = 0.25;
    for (let i = 0; i < one.x.length; i++) if (one.marks[i]) pen.fillRect(sx(one.x[i]) - 1, 0, 2.5, 10000);
    pen.globalAlpha = 1;
  }
  if (one.band) {
    pen.strokeStyle = one.color;
    pen.globalAlpha = 0.4;
    pen.lineWidth = 2;
    pen.beginPath();
    for (let i = 0; i < one.x.length; i++) {
      const s = one.band[i];
      if (!(s > 0) || !Number.isFinite(one.y[i])) continue;
      pen.moveTo(sx(one.x[i]), sy(one.y[i] - s));
      pen.lineTo(sx(one.x[i]), sy(one.y[i] + s));
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }
  pen.beginPath();
  let pen_down = false;
  for (let i = 0; i < one.x.length; i++) {
    if (!Number.isFinite(one.y[i])) {
      pen_down = false;
      continue;
    }
    if (pen_down) pen.lineTo(sx(one.x[i]), sy(one.y[i]));
    else pen.moveTo(sx(one.x[i]), sy(one.y[i]));
    pen_down = true;
  }
  pen.setLineDash(one.dash ?? []);
  pen.lineWidth = 1.5;
  pen.strokeStyle = one.color;
  pen.stroke();
  pen.setLineDash([]);
}
