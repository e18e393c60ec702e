// What the page works on. `work` is everything that changes results and can be undone: the common recipe, recipes of
// single files, and strokes. `view` is how it is looked at: never undone, never sent to the server.

/** @typedef {{step: string, params: Record<string, any>, off?: boolean}} Use */
/** @typedef {{name: string, steps: Use[]}} Recipe */
/** @typedef {{layer: "exclude"|"include"|"add"|"erase", tool: string, polygons: number[][][]}} Stroke */
/** @typedef {{common: Recipe, own: Record<string, Recipe>, strokes: Record<string, Stroke[]>}} Work */

const MOST_UNDO = 300;

export const state = {
  /** @type {any} */ schema: null,
  /** @type {Map<string, any>} */ steps: new Map(),
  /** @type {Work} */ work: { common: { name: "auto", steps: [] }, own: {}, strokes: {} },
  /** @type {{ref: string, name: string, frame: number, channel: string|null}|null} */ doc: null,
  /** @type {any} */ info: null,
  /** Frames by panel: {head, data}. @type {Map<string, any>} */ frames: new Map(),
  /** @type {any} */ last: null,
  batch: "", note: "", place: "root",
  /** What was sent from this computer. @type {{ref: string, name: string, folder: boolean, size: number}[]} */ uploads: [],
  /** Per file: what the page knows of it. @type {Record<string, any>} */ verdicts: {},
  view: {
    k: 1, cx: 0.5, cy: 0.5, layout: "six", solo: "mended", cmap: "afm", flat: true, range: "p1", lock: false, steady: true,
    /** @type {Record<string, [number, number]|null>} */ limits: { before: null, after: null, diff: null },
    z: 1, turn: 28, tilt: 42, overlays: true, invented: true, sigma: false, physical: true, swipe: 0.5, diff: "filled",
    dock: "profile", tool: "pan", layer: "exclude", brush: 12, theme: "auto", shortcuts: true, original: false,
    painter: "auto", gate: true, gateMap: false, gateOf: "", dockHeight: 0,
    /** @type {Record<string, string[]>} */ keys: {},
  },
  /** @type {{x: number, y: number}|null} */ cursor: null,
  /** @type {number[][]|null} */ line: null,
  /** @type {number[][][]} */ areas: [],
};

/** @type {Map<string, Set<Function>>} */
const listeners = new Map();

/** @param {string} names Space-separated. @param {Function} listener */
export function on(names, listener) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name)?.add(listener);
  }
}

/** @param {string} name @param {any} [detail] */
export function emit(name, detail) {
  for (const listener of listeners.get(name) ?? []) listener(detail);
}

/** @param {Partial<typeof state.view>} changes */
export function look(changes) {
  Object.assign(state.view, changes);
  emit("view", changes);
}

// ------------------------------------------------------------------ undo

/** @type {{work: Work, label: string, gesture: string}[]} */
let past = [];
/** @type {{work: Work, label: string, gesture: string}[]} */
let future = [];

/**
 * Change the work. Changes of one gesture (a drag of a slider) are undone together.
 * @param {string} label What it was, for people. @param {(work: Work) => Work} make
 * @param {{gesture?: string, drag?: boolean}} [how]
 */
export function change(label, make, how = {}) {
  const before = state.work;
  const after = make(before);
  if (after === before) return;
  const last = past.at(-1);
  if (!(how.gesture && last && last.gesture === how.gesture)) past.push({ work: before, label, gesture: how.gesture ?? "" });
  if (past.length > MOST_UNDO) past.shift();
  future = [];
  state.work = after;
  emit("work", { drag: how.drag ?? false, label });
}

/** Let the next change begin a new entry, even of the same slider. */
export function endGesture() {
  const last = past.at(-1);
  if (last) last.gesture = "";
}

/** @typedef {{work: Work, label: string, gesture: string}} Entry */

/** @param {Entry[]} from @param {Entry[]} to @param {string} label @returns {{label: string, ref: string}|null} What it was, and the one file that it was about, if it was about one. */
function travel(from, to, label) {
  const entry = from.pop();
  if (!entry) return null;
  to.push({ ...entry, work: state.work });
  const ref = touched(state.work, entry.work);
  state.work = entry.work;
  emit("work", { drag: false, label, whole: true });
  return { label: entry.label, ref };
}

/** @param {Work} a @param {Work} b */
function touched(a, b) {
  const refs = new Set([a.own, b.own, a.strokes, b.strokes].flatMap(Object.keys));
  const changed = [...refs].filter((ref) => a.own[ref] !== b.own[ref] || a.strokes[ref] !== b.strokes[ref]);
  return a.common === b.common && changed.length === 1 ? changed[0] : "";
}

export const undo = () => travel(past, future, "undo");
export const redo = () => travel(future, past, "redo");

export const undoable = () => ({ undo: past.at(-1)?.label ?? "", redo: future.at(-1)?.label ?? "", depth: past.length });

/** Start anew, as after loading a session. @param {Work} work */
export function restart(work) {
  past = [];
  future = [];
  state.work = work;
}

// ------------------------------------------------------------------ reading the work

/** The recipe of a file: its own, else the common one. @param {string} [ref] @returns {Recipe} */
export function recipeOf(ref = state.doc?.ref ?? "") {
  return state.work.own[ref] ?? state.work.common;
}

/** @param {string} [ref] @returns {Stroke[]} */
export function strokesOf(ref = state.doc?.ref ?? "") {
  return state.work.strokes[ref] ?? NONE;
}

/** @type {Stroke[]} */
const NONE = [];

/** Replace the recipe of the file in sight (or the common one). @param {Work} work @param {Recipe} recipe */
export function withRecipe(work, recipe) {
  const ref = state.doc?.ref ?? "";
  return ref in work.own ? { ...work, own: { ...work.own, [ref]: recipe } } : { ...work, common: recipe };
}

/** @param {Work} work @param {string} ref @param {Stroke[]} strokes */
export function withStrokes(work, ref, strokes) {
  return { ...work, strokes: { ...work.strokes, [ref]: strokes } };
}

/** What the server is asked for. @param {string} ref @param {number} frame @param {string|null} channel */
export function wishOf(ref, frame = 0, channel = null) {
  const recipe = recipeOf(ref);
  return {
    ref, frame, channel, name: recipe.name,
    steps: recipe.steps.filter((use) => !use.off).map(({ step, params }) => ({ step, params })),
    strokes: strokesOf(ref).map(({ layer, polygons }) => ({ layer, polygons })),
  };
}

/** The wish for what is in sight. */
export function wish() {
  const doc = state.doc;
  return doc ? wishOf(doc.ref, doc.frame, doc.channel) : null;
}
