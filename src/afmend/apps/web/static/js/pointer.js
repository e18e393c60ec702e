// The pointer on the panels: pan, zoom, turn, draw, swipe.

import { cells, pixelAt } from "./panels.js";
import { listenBar } from "./colorbar.js";
import { placement } from "./scene.js";
import { lose, move, press, release, sketch } from "./sketch.js";
import { emit, look, on, state } from "./store.js";

/** @type {{kind: string, x: number, y: number}|null} */
let drag = null;
/** Where the pointer is. @type {{one: any, event: PointerEvent}|null} */
let last = null;
export const held = { space: false };

export function listenPanels() {
  on("doc", point);
  on("view", (/** @type {any} */ changes) => { if (last && ["k", "cx", "cy", "layout", "solo", "physical"].some((name) => name in changes)) point(); });
  for (const one of cells.values()) {
    if (one.bar) listenBar(one.bar, one.panel);
    const { body } = one;
    body.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => down(one, event));
    body.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => moved(one, event));
    body.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => up(one, event));
    body.addEventListener("pointercancel", () => { drag = null; lose(); });
    body.addEventListener("pointerleave", () => { last = null; point(); });
    body.addEventListener("wheel", (/** @type {WheelEvent} */ event) => wheel(one, event), { passive: false });
    body.addEventListener("contextmenu", (/** @type {Event} */ event) => event.preventDefault());
    body.addEventListener("dblclick", () => { if (state.view.tool === "pan") look({ k: 1, cx: 0.5, cy: 0.5 }); });
  }
}

/** Say which pixel is under the pointer, which may not have moved: the picture has. */
function point() {
  const p = last?.one.box && state.info ? pixelAt(last.one, last.event) : null;
  const { rows, cols } = state.info?.grid ?? { rows: 0, cols: 0 };
  state.cursor = p && p[0] >= 0 && p[1] >= 0 && p[0] < cols && p[1] < rows ? { x: p[0], y: p[1] } : null;
  emit("cursor");
  return p;
}

/** @param {any} one @param {PointerEvent} event */
function down(one, event) {
  if (!one.box || !state.info) return;
  one.body.focus({ preventScroll: true });
  one.body.setPointerCapture(event.pointerId);
  const pan = event.button !== 0 || held.space || state.view.tool === "pan";
  if (one.panel.kind === "surface") drag = { kind: "turn", x: event.clientX, y: event.clientY };
  else if (state.view.layout === "swipe" && pan && event.button === 0 && !held.space) {
    drag = { kind: "swipe", x: 0, y: 0 };
    swipe(one, event);
  } else if (pan) drag = { kind: "pan", x: event.clientX, y: event.clientY };
  else {
    const place = placement(one.box);
    sketch.reach = place ? 8 / Math.min(place.sx, place.sy) : 1;
    drag = { kind: "draw", x: 0, y: 0 };
    const p = pixelAt(one, event);
    if (p) press(one.panel.id, p, { alt: event.altKey, shift: event.shiftKey });
  }
}

/** @param {any} one @param {PointerEvent} event */
function moved(one, event) {
  if (!one.box || !state.info) return;
  if (one.panel.kind === "surface") {
    if (drag?.kind === "turn") turn(event.clientX - drag.x, event.clientY - drag.y, event);
    return;
  }
  last = { one, event };
  const p = point();
  if (!p) return;
  const { rows, cols } = state.info.grid;
  if (drag?.kind === "pan") {
    const place = placement(one.box);
    if (place) look({ cx: state.view.cx - (event.clientX - drag.x) / place.sx / cols, cy: state.view.cy - (event.clientY - drag.y) / place.sy / rows });
    Object.assign(drag, { x: event.clientX, y: event.clientY });
  } else if (drag?.kind === "swipe") swipe(one, event);
  else if (drag?.kind === "draw" || sketch.tool === "polygon") {
    for (const each of drag?.kind === "draw" && event.getCoalescedEvents ? event.getCoalescedEvents() : [event]) {
      const at = pixelAt(one, each) ?? p;
      move(at, { shift: event.shiftKey });
    }
    if (drag?.kind === "draw" && event.getCoalescedEvents && !event.getCoalescedEvents().length) move(p, { shift: event.shiftKey });
  }
}

/** @param {any} one @param {PointerEvent} event */
function up(one, event) {
  const was = drag;
  drag = null;
  if (was?.kind !== "draw") return;
  const p = pixelAt(one, event);
  release(p ?? [0, 0]);
}

/** @param {number} dx @param {number} dy @param {PointerEvent} [event] */
export function turn(dx, dy, event) {
  look({ turn: (state.view.turn - 0.5 * dx + 360) % 360, tilt: Math.min(89, Math.max(5, state.view.tilt + 0.4 * dy)) });
  if (drag && event) Object.assign(drag, { x: event.clientX, y: event.clientY });
}

/** @param {any} one @param {PointerEvent} event */
function swipe(one, event) {
  const rect = one.body.getBoundingClientRect();
  look({ swipe: Math.min(1, Math.max(0, (event.clientX - rect.left) / rect.width)) });
}

/** @param {any} one @param {WheelEvent} event */
function wheel(one, event) {
  if (!one.box || !state.info) return;
  event.preventDefault();
  const factor = Math.exp(-0.0015 * event.deltaY);
  if (one.panel.kind === "surface") {
    look({ z: Math.min(20, Math.max(0.05, state.view.z * factor)) });
    return;
  }
  const p = pixelAt(one, event);
  if (p) zoom(factor, p);
}

/** Zoom by a factor; the pixel `p` stays where it is. @param {number} factor @param {number[]} [p] */
export function zoom(factor, p) {
  if (!state.info) return;
  const { rows, cols } = state.info.grid;
  const k = Math.min(200, Math.max(0.5, state.view.k * factor));
  const share = 1 - state.view.k / k;
  const [x, y] = p ?? [state.view.cx * cols, state.view.cy * rows];
  look({ k, cx: state.view.cx + (x / cols - state.view.cx) * share, cy: state.view.cy + (y / rows - state.view.cy) * share });
}

/** Move what is seen by a share of the panel. @param {number} dx @param {number} dy */
export function pan(dx, dy) {
  look({ cx: state.view.cx + dx / state.view.k, cy: state.view.cy + dy / state.view.k });
}
