// The color bar of a map: ticks with units, two ends that can be dragged or moved with the arrow keys.

import { PLAIN } from "./dom.js";
import { display, plain, round, ticks } from "./numbers.js";
import { limits, mapOf, percentiles, seen, tableOf } from "./scene.js";
import { look, state } from "./store.js";

/** Which limits a panel's bar is about. @param {import("./scene.js").Panel} panel */
export const groupOf = (panel) => seen(panel).limited;

/** What the bar reaches over: a bit more than the limits and 98 % of the heights. @param {string} group */
export function reach(group) {
  const [low, high] = limits(group);
  if (group === "sigma") return [low, high];
  const p = percentiles(group);
  const [a, b] = [Math.min(low, p[2]), Math.max(high, p[4])];
  return [a - 0.04 * (b - a), b + 0.04 * (b - a)];
}

/** What each bar shows already. @type {WeakMap<HTMLCanvasElement, string>} */
const drawn = new WeakMap();

/** @param {HTMLCanvasElement} canvas @param {import("./scene.js").Panel} panel @param {boolean} [ends] What can be dragged. */
export function drawBar(canvas, panel, ends = true) {
  const dpr = window.devicePixelRatio || 1;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", PLAIN));
  const [width, height] = [canvas.width / dpr, canvas.height / dpr];
  const shown = seen(panel);
  const group = shown.limited;
  const [low, high] = limits(group);
  const [a, b] = reach(group);
  const sign = [ends, canvas.width, canvas.height, group, low, high, a, b, mapOf(shown), document.documentElement.dataset.theme, state.frames.get(panel.heights)?.head.unit].join();
  if (drawn.get(canvas) === sign) return;
  drawn.set(canvas, sign);
  const table = tableOf(mapOf(shown));
  pen.setTransform(dpr, 0, 0, dpr, 0, 0);
  pen.clearRect(0, 0, width, height);
  const [top, bottom] = [16, height - 6];
  const y = (/** @type {number} */ value) => bottom - ((value - a) / (b - a)) * (bottom - top);
  for (let row = top; row < bottom; row++) {
    const t = Math.max(0, Math.min(1, (a + ((bottom - row) / (bottom - top)) * (b - a) - low) / (high - low)));
    const i = 3 * Math.round(255 * t);
    pen.fillStyle = `rgb(${table[i]},${table[i + 1]},${table[i + 2]})`;
    pen.fillRect(2, row, 12, 1);
  }
  const { color: ink, backgroundColor: paper } = getComputedStyle(canvas);
  const unit = display(Math.max(Math.abs(a), Math.abs(b)), state.frames.get(panel.heights)?.head.unit ?? "");
  pen.font = "10px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.fillText(unit.unit || "–", 2, 10);
  for (const value of ticks(a * unit.factor, b * unit.factor, Math.max(2, Math.floor((bottom - top) / 34)))) {
    const row = y(value / unit.factor);
    pen.fillRect(14, row, 3, 1);
    pen.fillText(round(value), 19, row + 3.5);
  }
  if (ends && group !== "sigma") for (const end of [low, high]) {
    const row = y(end);
    pen.beginPath();
    pen.moveTo(0, row - 4);
    pen.lineTo(7, row);
    pen.lineTo(0, row + 4);
    pen.strokeStyle = paper;
    pen.stroke();
    pen.fillStyle = ink;
    pen.fill();
  }
  canvas.textContent = `${plain(low * unit.factor)} to ${plain(high * unit.factor)} ${unit.unit}`;
}

/** @param {HTMLCanvasElement} canvas @param {import("./scene.js").Panel} panel */
export function listenBar(canvas, panel) {
  let end = -1;
  const value = (/** @type {PointerEvent} */ event) => {
    const rect = canvas.getBoundingClientRect();
    const [a, b] = reach(groupOf(panel));
    return a + ((rect.bottom - 6 - event.clientY) / (rect.height - 22)) * (b - a);
  };
  canvas.addEventListener("pointerdown", (event) => {
    const group = groupOf(panel);
    if (group === "sigma") return;
    const at = value(event);
    const [low, high] = limits(group);
    end = Math.abs(at - low) < Math.abs(at - high) ? 0 : 1;
    canvas.setPointerCapture(event.pointerId);
    set(group, end, at);
  });
  canvas.addEventListener("pointermove", (event) => { if (end >= 0) set(groupOf(panel), end, value(event)); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { end = -1; });
  canvas.addEventListener("dblclick", () => look({ limits: { ...state.view.limits, [groupOf(panel)]: null } }));
  canvas.addEventListener("keydown", (event) => {
    const group = groupOf(panel);
    const sign = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!sign || group === "sigma") return;
    event.preventDefault();
    event.stopPropagation();
    const [low, high] = limits(group);
    const which = event.shiftKey ? 0 : 1;
    set(group, which, (which ? high : low) + sign * 0.02 * (high - low));
  });
}

/** @param {string} group @param {number} end @param {number} at */
function set(group, end, at) {
  const [low, high] = limits(group);
  const gap = 1e-3 * (high - low);
  /** @type {[number, number]} */
  const next = end ? [low, Math.max(at, low + gap)] : [Math.min(at, high - gap), high];
  look({ limits: { ...state.view.limits, [group]: next } });
}
