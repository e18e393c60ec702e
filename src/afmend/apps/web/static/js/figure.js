// The picture as seen: panels with their overlays and bars, file and legend on one canvas, saved as PNG. Nothing of the
// pointer is in it.

import { drawBar } from "./colorbar.js";
import { byId, saveBlob, say } from "./dom.js";
import { cells, painterOf } from "./panels.js";
import { sketch } from "./sketch.js";
import { emit, state } from "./store.js";

const HEAD = 26;
const LINE = 20;

/** The legend under the panels: colors, words and places. @param {CanvasRenderingContext2D} pen @param {number} width */
function legend(pen, width) {
  let [x, y] = [8, 0];
  return [...byId("legend").children].map((one) => {
    const text = one.textContent ?? "";
    const swatch = one.querySelector(".swatch");
    const style = swatch && getComputedStyle(swatch);
    const color = style?.backgroundImage.match(/rgba?\([^)]*\)/)?.[0] ?? style?.backgroundColor;
    const length = pen.measureText(text).width + 34;
    if (x > 8 && x + length > width) [x, y] = [8, y + LINE];
    x += length;
    return { text, color, x: x - length, y };
  });
}

/** @returns {HTMLCanvasElement} */
function figure() {
  const dpr = window.devicePixelRatio || 1;
  const stage = byId("stage");
  const rect = stage.getBoundingClientRect();
  const style = getComputedStyle(stage);
  const out = document.createElement("canvas");
  const pen = /** @type {CanvasRenderingContext2D} */ (out.getContext("2d"));
  const font = "600 12px system-ui, sans-serif";
  pen.font = font;
  const entries = legend(pen, rect.width);
  out.width = Math.round(rect.width * dpr);
  out.height = Math.round((HEAD + rect.height + (entries.length ? (entries.at(-1)?.y ?? 0) + LINE + 4 : 0)) * dpr);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, out.width, out.height);
  pen.scale(dpr, dpr);
  pen.font = font;
  const write = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ y) => { pen.fillStyle = style.color; pen.fillText(text, x, y); };
  write([state.doc?.name, state.doc?.channel, byId("size").textContent, byId("frames").hidden ? "" : `frame ${byId("frame-text").textContent}`].filter(Boolean).join("   "), 8, 17);
  pen.translate(0, HEAD);
  for (const one of cells.values()) {
    const box = one.box;
    if (!box) continue;
    const [source, x, y, width, height] = painterOf(one).picture(box);
    pen.drawImage(source, x, y, width, height, box.x, box.y, box.width, box.height);
    if (one.bar) drawBar(one.bar, one.panel, false);
    for (const canvas of [one.overlay, one.bar]) {
      if (!canvas || canvas.style.visibility) continue;
      const place = canvas.getBoundingClientRect();
      if (canvas.width && canvas.height) pen.drawImage(canvas, place.left - rect.left, place.top - rect.top, place.width, place.height);
    }
    if (one.bar) drawBar(one.bar, one.panel);
    write(`${one.panel.title}   ${one.facts.textContent}`, box.x + 4, box.y - 7);
  }
  for (const { text, color, x, y } of entries) {
    if (color) pen.fillStyle = color;
    pen.fillRect(x, rect.height + y + 4, color ? 11 : 0, 11);
    write(text, x + 16, rect.height + y + 14);
  }
  return out;
}

export async function saveFigure() {
  const { cursor } = state;
  const { caret } = sketch;
  state.cursor = sketch.caret = null;
  emit("cursor");
  for (let i = 0; i < 2; i++) await new Promise((good) => requestAnimationFrame(good)); // heads and overlays without them
  const out = figure();
  [state.cursor, sketch.caret] = [cursor, caret];
  emit("cursor");
  out.toBlob((blob) => {
    if (!blob) return;
    saveBlob(`${state.doc?.name ?? "afmend"}.png`, blob);
    say("Saved the picture as seen.");
  });
}
