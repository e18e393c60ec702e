// Shortcuts: one table, from which the help is made, too. None fires while somebody types.

import { byId, say } from "./dom.js";
import { askBatch, askExport } from "./batch.js";
import { nameOf as fileName, neighbor, openFile, showFrame } from "./files.js";
import { cells, maximise, redraw } from "./panels.js";
import { saveRecipe } from "./pipeline.js";
import { held, pan, turn, zoom } from "./pointer.js";
import { PANELS, placement } from "./scene.js";
import { cancel, choose, close, forget, moveCaret, sketch, takeBack, tapCaret } from "./sketch.js";
import { emit, look, on, redo, state, strokesOf, undo } from "./store.js";
import { showWords } from "./words.js";

/** @typedef {{keys: string[], what: string, group: string, act: (event: KeyboardEvent) => void}} Shortcut */

const tool = (/** @type {string} */ key, /** @type {string} */ name, /** @type {string} */ what) => ({ keys: [key], what, group: "Tools", act: () => choose(name) });
const flip = (/** @type {"flat"|"lock"|"overlays"|"invented"|"sigma"|"physical"} */ name) => () => look({ [name]: !state.view[name] });
const LAYOUTS = ["six", "two", "swipe", "diff"];

const FLICKER = "hold: show the original (flicker)";

/** @type {Shortcut[]} */
export const SHORTCUTS = [
  { keys: ["Ctrl+z"], what: "undo", group: "Work", act: () => told("Undone", undo()) },
  { keys: ["Ctrl+Shift+z", "Ctrl+y"], what: "redo", group: "Work", act: () => told("Redone", redo()) },
  { keys: ["Ctrl+o"], what: "open files from this computer", group: "Work", act: () => byId("upload-file").click() },
  { keys: ["Ctrl+s"], what: "save the recipe", group: "Work", act: () => saveRecipe() },
  { keys: ["Ctrl+e"], what: "export", group: "Work", act: () => askExport() },
  { keys: ["Ctrl+b"], what: "mend many files", group: "Work", act: () => askBatch() },
  { keys: ["c"], what: "copy as command, Python, recipe", group: "Work", act: () => showWords() },
  { keys: ["ArrowRight", "d"], what: "next file", group: "Files", act: () => neighbor(1) },
  { keys: ["ArrowLeft", "a"], what: "previous file", group: "Files", act: () => neighbor(-1) },
  { keys: ["."], what: "next frame of a movie", group: "Files", act: () => showFrame((state.doc?.frame ?? 0) + 1) },
  { keys: [","], what: "previous frame", group: "Files", act: () => showFrame((state.doc?.frame ?? 0) - 1) },
  { keys: ["F2"], what: "to the list of files", group: "Files", act: () => byId("file-list").querySelector("button")?.focus() },
  ...PANELS.map((panel) => ({ keys: [panel.key], what: `${panel.title} alone`, group: "Panels", act: () => maximise(panel.id) })),
  { keys: ["0"], what: "all six panels", group: "Panels", act: () => look({ layout: "six" }) },
  { keys: ["w"], what: "next layout", group: "Panels", act: () => look({ layout: LAYOUTS[(LAYOUTS.indexOf(state.view.layout) + 1) % LAYOUTS.length] }) },
  { keys: ["+", "="], what: "zoom in", group: "Panels", act: () => zoom(1.25) },
  { keys: ["-"], what: "zoom out", group: "Panels", act: () => zoom(0.8) },
  { keys: ["f"], what: "fit", group: "Panels", act: () => look({ k: 1, cx: 0.5, cy: 0.5 }) },
  { keys: ["o"], what: FLICKER, group: "Panels", act: () => { if (!state.view.original) look({ original: true }); } },
  { keys: ["h"], what: "hide overlays", group: "Panels", act: flip("overlays") },
  { keys: ["i"], what: "tint what was invented", group: "Panels", act: flip("invented") },
  { keys: ["u"], what: "error bars in place of heights", group: "Panels", act: flip("sigma") },
  { keys: ["t"], what: "plane of the original away, in pictures", group: "Panels", act: flip("flat") },
  { keys: ["k"], what: "before and after with the same span of colors", group: "Panels", act: flip("lock") },
  { keys: ["g"], what: "square pixels, or true sizes", group: "Panels", act: flip("physical") },
  tool("v", "pan", "pan and zoom"), tool("r", "rectangle", "rectangle"), tool("p", "polygon", "polygon"), tool("l", "lasso", "lasso"),
  tool("b", "brush", "brush"), tool("e", "eraser", "eraser"), tool("m", "line", "line profile"), tool("s", "area", "areas for step height"),
  { keys: ["x"], what: "swap layer: exclude, artifact", group: "Tools", act: () => look({ layer: state.view.layer === "exclude" ? "add" : "exclude" }) },
  { keys: ["["], what: "smaller brush", group: "Tools", act: () => look({ brush: Math.max(1, Math.round(state.view.brush / 1.25)) }) },
  { keys: ["]"], what: "larger brush", group: "Tools", act: () => look({ brush: Math.min(400, Math.max(state.view.brush + 1, Math.round(state.view.brush * 1.25))) }) },
  { keys: ["Enter"], what: "close the polygon", group: "Tools", act: () => { close(); } },
  { keys: ["Escape"], what: "stop drawing", group: "Tools", act: () => cancel() },
  { keys: ["Backspace", "Delete"], what: "last corner, or last drawing, away", group: "Tools", act: () => { if (!takeBack() && strokesOf().length) forget(strokesOf().length - 1); } },
  { keys: ["?"], what: "help", group: "Work", act: () => emit("help") },
];

/** The keys of a shortcut: as people set them, else the usual ones. @param {Shortcut} one @returns {string[]} */
export const keysOf = (one) => state.view.keys[one.what] ?? one.keys;

/** Only shortcuts of a single sign can be set: the others are those of every program. @param {Shortcut} one */
export const settable = (one) => one.keys.some((key) => key.length === 1);

/**
 * Give a shortcut another key, or none; who had it loses it. A usual key that nobody uses any more comes back.
 * @param {Shortcut} one @param {string} key "" = none @returns {Shortcut|undefined} Who lost it.
 */
export function rebind(one, key) {
  const keys = { ...state.view.keys, [one.what]: [...(key ? [key] : []), ...one.keys.filter((usual) => usual.length > 1)] };
  const loser = SHORTCUTS.find((other) => other !== one && key && keysOf(other).includes(key));
  if (loser) keys[loser.what] = keysOf(loser).filter((other) => other !== key);
  for (const other of SHORTCUTS) if (JSON.stringify(keys[other.what]) === JSON.stringify(other.keys)) delete keys[other.what];
  look({ keys });
  return loser;
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", " ": "Space" };

/** A key as people read it. @param {string} key */
export const shownKey = (key) => key.split("+").map((part) => NAMES[/** @type {keyof typeof NAMES} */ (part)] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" + ") || "+";

/** Write the keys where the page names them: in tips (data-tip) and behind words (data-key = the usual key). */
export function hints() {
  for (const el of document.querySelectorAll("[data-key]")) {
    const { key, tip } = /** @type {HTMLElement} */ (el).dataset;
    const one = SHORTCUTS.find((shortcut) => shortcut.keys.includes(key ?? ""));
    const now = one ? keysOf(one)[0] : "";
    const text = now ? ` (${shownKey(now)})` : "";
    if (tip) {
      /** @type {HTMLElement} */ (el).title = tip + text;
      if (el.hasAttribute("aria-label")) el.setAttribute("aria-label", tip + text);
    } else el.textContent = text;
  }
}

/** Say what was undone; where it is another file's, go there: it would be changed unseen. @param {string} what @param {{label: string, ref: string}|null} found */
export function told(what, found) {
  const elsewhere = found?.ref && found.ref !== state.doc?.ref ? fileName(found.ref) : "";
  say(found ? `${what}: ${found.label}${elsewhere ? `, in ${elsewhere}` : ""}` : "Nothing more.");
  if (found && elsewhere) openFile(found.ref, elsewhere);
}

/** The name of a key event as the table has it. @param {KeyboardEvent} event */
export function nameOf(event) {
  const key = event.key.length === 1 && (event.ctrlKey || event.metaKey || /[a-z]/i.test(event.key)) ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.shiftKey ? "Shift+" : ""}${key}`;
  return key;
}

const FIELDS = "input:not([type=checkbox]):not([type=radio]):not([type=range]), select, textarea, dialog[open] *";

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented || event.altKey) return;
  const target = /** @type {Element} */ (event.target);
  const name = nameOf(event);
  const found = SHORTCUTS.find((one) => keysOf(one).includes(name));
  const typing = target.matches?.(FIELDS) || document.querySelector("dialog[open]") !== null;
  if (typing && !(found && name.startsWith("Ctrl+") && !target.closest("dialog[open]") && !["Ctrl+z", "Ctrl+y", "Ctrl+Shift+z"].includes(name))) return;
  if (inPanel(event, target)) {
    event.preventDefault();
    return;
  }
  if (!found) return;
  const single = name.length === 1;
  if (single && !state.view.shortcuts && name !== "?") return;
  if (["Enter", "Backspace", "ArrowLeft", "ArrowRight"].includes(name) && target.matches("button, a, summary, [role=tab], input, canvas")) {
    if (name === "Enter" || target.matches("[role=tab], input, canvas")) return;
  }
  event.preventDefault();
  found.act(event);
}

/** Keys that mean something only while a panel has the focus. @param {KeyboardEvent} event @param {Element} target */
function inPanel(event, target) {
  const id = /** @type {HTMLElement} */ (target).dataset?.panel;
  if (!id || event.ctrlKey || event.metaKey || !state.info) return false;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const one = cells.get(id);
  const far = event.shiftKey ? 10 : 1;
  if (one.panel.kind === "surface") {
    if (arrow) turn(arrow[0] * -8 * far, arrow[1] * 8 * far);
    return Boolean(arrow);
  }
  if (event.key === " ") {
    if (event.repeat) return true;
    if (state.view.tool === "pan") held.space = true;
    else tapCaret(id);
    return true;
  }
  if (!arrow) return false;
  if (state.view.tool === "pan") pan(0.05 * arrow[0] * far, 0.05 * arrow[1] * far);
  else {
    const place = placement(one.box);
    const by = far * Math.max(1, Math.round(4 / (place ? Math.min(place.sx, place.sy) : 1)));
    moveCaret(id, arrow[0] * by, arrow[1] * by);
  }
  return true;
}

export function listenKeys() {
  on("view", (/** @type {any} */ changes) => { if ("keys" in changes) hints(); });
  hints();
  window.addEventListener("keydown", pressed);
  window.addEventListener("keyup", (event) => {
    if (state.view.original && SHORTCUTS.some((one) => one.what === FLICKER && keysOf(one).includes(nameOf(event)))) look({ original: false });
    if (event.key === " ") held.space = false;
  });
  window.addEventListener("blur", () => {
    held.space = false;
    if (state.view.original) look({ original: false });
    if (sketch.active) cancel();
    redraw();
  });
}
