// The right side: preset, steps with their parameters, drawings.

import { byId, calmly, dialog, download, fill, h, say, sentence, write } from "./dom.js";
import { knob } from "./knobs.js";
import { api } from "./net.js";
import { plain } from "./numbers.js";
import { middle } from "./parts.js";
import { forget } from "./sketch.js";
import { change, endGesture, on, recipeOf, state, strokesOf, wish, withRecipe, withStrokes } from "./store.js";

/** @type {{update: () => void}[]} */
let rows = [];
let shape = "";
let advanced = false;
/** @type {Set<string>} */
const open = new Set();

export function makePipeline() {
  on("work doc", () => refresh());
  on("done", calmly(times));
  on("slow", (/** @type {any} */ head) => mark(head.index, "running"));
  on("failed", () => times());
  refresh();
}

function refresh() {
  const recipe = recipeOf();
  const now = JSON.stringify([recipe.steps.map((use) => [use.step, use.off ?? false]), state.doc?.ref, advanced, strokesOf().length, state.doc && state.doc.ref in state.work.own]);
  if (now !== shape) render(recipe);
  shape = now;
  for (const row of rows) row.update();
  preset(recipe);
}

/** @param {import("./store.js").Recipe} recipe */
function render(recipe) {
  rows = [];
  const steps = recipe.steps.map((use, index) => stepBox(use, index, recipe));
  fill(byId("steps"), ...steps);
  fill(byId("drawings"), ...drawings());
  const own = byId("own");
  own.checked = Boolean(state.doc && state.doc.ref in state.work.own);
  own.disabled = !state.doc;
  times();
}

/** The name in the preset box, with a star if changed. @param {import("./store.js").Recipe} recipe */
function preset(recipe) {
  const box = byId("preset");
  const known = (state.schema?.recipes ?? []).find((/** @type {any} */ one) => one.name === recipe.name);
  const same = known && JSON.stringify(known.steps.map(plainUse)) === JSON.stringify(recipe.steps.filter((use) => !use.off).map(plainUse));
  const extra = box.querySelector("option[data-own]");
  write(extra, known ? `${recipe.name}, changed` : recipe.name);
  box.value = same ? recipe.name : "";
  write(byId("preset-help"), known?.description ?? "A recipe of your own.");
}

const plainUse = (/** @type {any} */ use) => [use.step, Object.entries(use.params).sort()];

/** @param {import("./store.js").Use} use @param {number} index @param {import("./store.js").Recipe} recipe */
function stepBox(use, index, recipe) {
  const facts = state.steps.get(use.step);
  const key = `${index}:${use.step}`;
  const eye = h("input", { type: "checkbox", checked: !use.off, title: "Use this step", "aria-label": `Use step ${use.step}`,
    onchange: () => edit(`${use.off ? "use" : "skip"} ${use.step}`, (steps) => steps.map((one, i) => (i === index ? { ...one, off: !one.off } : one))) });
  const params = (facts?.params ?? []).filter((/** @type {any} */ param) => advanced || !param.advanced);
  const made = params.map((/** @type {any} */ param) => knob(param, () => recipeOf().steps[index]?.params[param.name] ?? param.default,
    (value, how) => setParam(index, use.step, param, value, how), `p-${index}-${param.name}`, (values) => tryOut(index, param.name, values)));
  rows.push(...made);
  const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ act, disabled = false) => h("button", { class: "quiet", "aria-label": `${label} ${use.step}`, title: label, disabled, onclick: act }, text);
  const tools = h("div", { class: "step-tools" },
    button("↑", "Move up", () => moveStep(index, -1), index === 0), button("↓", "Move down", () => moveStep(index, 1), index === recipe.steps.length - 1),
    button("✕", "Remove", () => edit(`remove ${use.step}`, (steps) => steps.filter((_, i) => i !== index))),
    button("?", "About", () => dialog(facts?.title ?? use.step, [h("p", { class: "pre", text: facts?.help ?? "" }), h("p", { class: "dim", text: `${use.step}, version ${facts?.version}` })])));
  const box = h("details", { ontoggle: () => { if (box.open) open.add(key); else open.delete(key); if (box.open && document.activeElement?.parentElement === box) box.scrollIntoView({ block: "nearest" }); } },
    h("summary", {}, h("span", { class: "step-id", text: use.step }), h("span", { class: "ms" })),
    h("p", { class: "dim", text: facts?.title ?? "unknown step" }), ...made.map((/** @type {any} */ one) => one.row),
    made.length ? null : h("p", { class: "dim", text: "No parameters." }), tools);
  box.open = open.has(key);
  return h("div", { class: `step ${facts?.kind ?? ""}${use.off ? " off" : ""}`, data: { step: use.step } }, eye, box);
}

/** @param {string} label @param {(steps: import("./store.js").Use[]) => import("./store.js").Use[]} make @param {any} [how] */
export function edit(label, make, how) {
  change(label, (work) => {
    const recipe = recipeOf();
    return withRecipe(work, { ...recipe, steps: make(recipe.steps) });
  }, how);
}

/** @param {number} index @param {string} step @param {any} param @param {any} value @param {{drag: boolean, gesture: string}} how */
function setParam(index, step, param, value, how) {
  const old = recipeOf().steps[index]?.params[param.name] ?? param.default;
  if (JSON.stringify(old) === JSON.stringify(value)) {
    if (!how.drag) endGesture();
    return;
  }
  edit(`${step} ${param.name}`, (steps) => steps.map((use, i) => {
    if (i !== index) return use;
    /** @type {Record<string, any>} */
    const params = { ...use.params, [param.name]: value };
    if (JSON.stringify(value) === JSON.stringify(param.default)) delete params[param.name];
    return { ...use, params };
  }), { ...how, drag: how.drag });
}

/** What values of a parameter do to the middle of the scan in sight. @param {number} index @param {string} param @param {number[]} values @returns {Promise<any[]>} */
async function tryOut(index, param, values) {
  const asked = wish();
  if (!asked || recipeOf().steps[index]?.off) return [];
  const at = recipeOf().steps.slice(0, index).filter((use) => !use.off).length;
  return (await api("tries", { wish: asked, index: at, param, values, part: middle(192) })).tries;
}

/** @param {number} index @param {number} by */
function moveStep(index, by) {
  edit("move a step", (steps) => {
    const next = [...steps];
    const [one] = next.splice(index, 1);
    next.splice(index + by, 0, one);
    return next;
  });
}

// ------------------------------------------------------------------ times of steps

function boxes() {
  return [...byId("steps").children].filter((box) => !box.classList.contains("off"));
}

/** @param {number} index Of a step of the composed recipe. @param {string} what */
function mark(index, what) {
  const steps = state.last?.steps;
  const shift = steps ? steps.length - boxes().length : 0;
  const box = boxes()[Math.max(0, index - Math.min(shift, index))];
  write(box?.querySelector(".ms"), what === "running" ? "…" : what);
}

/** What each step took: only those that were computed again. */
function times() {
  const last = state.last;
  const list = boxes();
  if (!last) return;
  let at = 0;
  last.steps.forEach((/** @type {string} */ id, /** @type {number} */ i) => {
    const box = list[at];
    if (!box || /** @type {HTMLElement} */ (box).dataset.step !== id) return;
    at++;
    const ms = last.ms[`${i}:${id}`];
    const cell = /** @type {HTMLElement} */ (box.querySelector(".ms"));
    write(cell, ms === undefined ? "kept" : ms < 1 ? "<1 ms" : `${Math.round(ms)} ms`);
    if (ms === undefined !== box.classList.contains("kept") || !cell.title) cell.title = ms === undefined ? "Nothing before it changed: its result was kept" : "Computed just now";
    box.classList.toggle("kept", ms === undefined);
  });
}

// ------------------------------------------------------------------ drawings

const LAYERS = { exclude: "excluded from leveling", include: "exclusion taken back", add: "marked as artifact", erase: "mark erased" };

function drawings() {
  const strokes = strokesOf();
  if (!strokes.length) return [h("p", { class: "dim", text: "Nothing drawn on this scan." })];
  const list = h("ul", {}, ...strokes.map((stroke, i) => h("li", {}, h("i", { class: `swatch ${stroke.layer}` }), `${stroke.tool}: ${LAYERS[stroke.layer]}`,
    h("button", { class: "quiet", "aria-label": `Delete drawing ${i + 1}`, text: "✕", onclick: () => forget(i) }))));
  const doc = state.doc;
  return [list, h("button", { onclick: () => doc && change("delete all drawings", (work) => withStrokes(work, doc.ref, [])) }, "Delete all")];
}

// ------------------------------------------------------------------ presets

export function listPresets() {
  const box = byId("preset");
  fill(box, h("option", { value: "", data: { own: "1" }, text: "…" }), ...state.schema.recipes.map((/** @type {any} */ one) => h("option", { value: one.name, text: one.name })));
  box.addEventListener("change", () => { if (box.value) usePreset(box.value); });
  fill(byId("add-step"), h("option", { value: "", text: "Add a step …" }), ...["mark", "mask", "level", "filter", "fill", "tip", "fuse"].map((room) => h("optgroup", { label: room },
    ...state.schema.steps.filter((/** @type {any} */ one) => one.id.startsWith(`${room}.`)).map((/** @type {any} */ one) => h("option", { value: one.id, text: `${one.id}: ${one.title}` })))));
  byId("add-step").addEventListener("change", () => {
    const id = byId("add-step").value;
    byId("add-step").value = "";
    if (id) addStep(id);
  });
  byId("own").addEventListener("change", () => ownRecipe(byId("own").checked));
  byId("advanced").addEventListener("change", () => { advanced = byId("advanced").checked; refresh(); });
  byId("save-recipe").addEventListener("click", saveRecipe);
  byId("load-recipe").addEventListener("click", () => byId("recipe-file").click());
  byId("recipe-file").addEventListener("change", loadRecipe);
}

/** @param {string} name */
export function usePreset(name) {
  const found = state.schema.recipes.find((/** @type {any} */ one) => one.name === name);
  if (found) change(`recipe ${name}`, (work) => withRecipe(work, { name, steps: structuredClone(found.steps) }));
}

/** A new step goes where it makes sense: marks and masks before the first fill, the others at the end of their kind. @param {string} id */
function addStep(id) {
  const kind = state.steps.get(id)?.kind;
  edit(`add ${id}`, (steps) => {
    const firstFill = steps.findIndex((use) => state.steps.get(use.step)?.kind === "repair");
    const at = kind === "repair" || firstFill < 0 ? steps.length : firstFill;
    open.add(`${at}:${id}`);
    return [...steps.slice(0, at), { step: id, params: {} }, ...steps.slice(at)];
  });
}

/** @param {boolean} own */
function ownRecipe(own) {
  const doc = state.doc;
  if (!doc) return;
  change(own ? "recipe for this file only" : "common recipe", (work) => {
    const next = { ...work.own };
    if (own) next[doc.ref] = structuredClone(work.common);
    else delete next[doc.ref];
    return { ...work, own: next };
  });
}

/** A recipe as the server takes it. */
export function plainRecipe() {
  const recipe = recipeOf();
  return { name: recipe.name, description: "", steps: recipe.steps.filter((use) => !use.off).map(({ step, params }) => ({ step, params })) };
}

export async function saveRecipe() {
  try {
    const { yaml } = await api("recipe", plainRecipe());
    download(`${recipeOf().name}.yaml`, yaml, "application/yaml");
  } catch (error) {
    say(sentence(/** @type {any} */ (error).error), "bad");
  }
}

async function loadRecipe() {
  const input = byId("recipe-file");
  const file = input.files[0];
  input.value = "";
  if (!file) return;
  try {
    const { recipe } = await api("recipe", { yaml: await file.text() });
    change("load a recipe", (work) => withRecipe(work, { name: recipe.name, steps: recipe.steps }));
    say(`Loaded ${recipe.name}: ${plain(recipe.steps.length, 1)} steps.`);
  } catch (error) {
    say(sentence(/** @type {any} */ (error).error), "bad");
  }
}
