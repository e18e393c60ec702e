// The picture as seen: panels with their overlays and bars on one canvas, saved as PNG.

import { byId, saveBlob, say } from "./dom.js";
import { cells, painterOf } from "./panels.js";
import { state } from "./store.js";

/** @returns {HTMLCanvasElement} */
export function figure() {
  const dpr = window.devicePixelRatio || 1;
  const stage = byId("stage");
  const rect = stage.getBoundingClientRect();
  const out = document.createElement("canvas");
  out.width = Math.round(rect.width * dpr);
  out.height = Math.round(rect.height * dpr);
  const pen = /** @type {CanvasRenderingContext2D} */ (out.getContext("2d"));
  const style = getComputedStyle(stage);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, out.width, out.height);
  pen.scale(dpr, dpr);
  pen.font = "600 12px system-ui, sans-serif";
  pen.fillStyle = style.color;
  for (const one of cells.values()) {
    const box = one.box;
    if (!box) continue;
    const [source, x, y, width, height] = painterOf(one).picture(box);
    pen.drawImage(source, x, y, width, height, box.x, box.y, box.width, box.height);
    for (const canvas of [one.overlay, one.bar]) {
      if (!canvas) continue;
      const place = canvas.getBoundingClientRect();
      if (canvas.width && canvas.height) pen.drawImage(canvas, place.left - rect.left, place.top - rect.top, place.width, place.height);
    }
    pen.fillText(`${one.panel.title}   ${one.facts.textContent}`, box.x + 4, box.y - 7);
  }
  return out;
}

export function saveFigure() {
  figure().toBlob((blob) => {
    if (!blob) return;
    saveBlob(`${state.doc?.name ?? "afmend"}.png`, blob);
    say("Saved the picture as seen.");
  });
}
