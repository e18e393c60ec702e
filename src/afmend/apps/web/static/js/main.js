// The start of the page, and what belongs to no single part.

import { askBatch, askExport, exportNow, startBatch, watch } from "./batch.js";
import { makeDock } from "./dock.js";
import { byId, calmly, fill, h, hush, say, sentence, write } from "./dom.js";
import { saveFigure } from "./figure.js";
import { browse, files, makeFiles, nameOf, openFile, showFrame, upload } from "./files.js";
import { listenGate } from "./gate.js";
import { makeHelp } from "./help.js";
import { listenKeys, SHORTCUTS, told } from "./keys.js";
import { api, busy, revision, run, shown } from "./net.js";
import { plain, quantity, standing } from "./numbers.js";
import { cells, drawn, forgetPaper, legend, makePanels, maximise, painter, pixel, redraw } from "./panels.js";
import { listPresets, makePipeline, usePreset } from "./pipeline.js";
import { listenPanels } from "./pointer.js";
import { limits, placement, toScreen, valueAt } from "./scene.js";
import { keepSaving, restore } from "./session.js";
import { choose, sketch, TOOLS } from "./sketch.js";
import { change, emit, look, on, redo, state, undo, undoable, wish } from "./store.js";
import { listenTip } from "./tip.js";
import { showWords } from "./words.js";

/** @type {string[]} */
const violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));

async function start() {
  state.schema = await api("schema");
  state.steps = new Map(state.schema.steps.map((/** @type {any} */ one) => [one.id, one]));
  const auto = state.schema.recipes.find((/** @type {any} */ one) => one.name === "auto");
  state.work = { common: { name: "auto", steps: structuredClone(auto.steps) }, own: {}, strokes: {} };
  const doc = await restore();
  theme();
  makePanels();
  listenPanels();
  bar();
  listPresets();
  makePipeline();
  makeFiles();
  listenGate();
  listenTip();
  makeDock();
  makeHelp();
  listenKeys();
  keepSaving();
  follow();
  if (!await browse(state.place) && state.place !== "root") await browse("root");
  if (doc) await openFile(doc.ref, doc.name, { frame: doc.frame, channel: doc.channel, restored: true });
  if (!state.doc && files().length) await firstReadable();
  if (!state.doc) status("ready");
  document.body.dataset.ready = "1";
  if (state.batch) watch(state.batch);
}

/** Open the first file of the folder that can be read. */
async function firstReadable() {
  for (const one of files().slice(0, 5)) {
    await openFile(one.ref, one.name);
    if (state.doc) return;
  }
}

// ------------------------------------------------------------------ the bar on top

function bar() {
  for (const [id, [tip, key]] of Object.entries(TOOLS)) {
    byId("tools").append(h("button", { id: `tool-${id}`, "aria-label": tip, "aria-pressed": "false", data: { icon: id, tip, key }, onclick: () => choose(id) }));
  }
  const click = (/** @type {string} */ id, /** @type {() => void} */ act) => byId(id).addEventListener("click", act);
  click("undo", () => told("Undone", undo()));
  click("redo", () => told("Redone", redo()));
  click("words", () => showWords());
  click("export", () => askExport());
  click("empty-add", () => byId("upload-file").click());
  click("empty-sample", () => byId("sample").click());
  click("batch", () => askBatch());
  click("layer", () => look({ layer: state.view.layer === "exclude" ? "add" : "exclude" }));
  const bind = (/** @type {string} */ id, /** @type {string} */ name, /** @type {"value"|"checked"} */ part) => {
    byId(id).addEventListener(part === "checked" ? "change" : "input", () => look({ [name]: byId(id)[part], ...(name === "range" || name === "cmap" || name === "lock" ? { limits: { before: null, after: null, diff: null } } : {}) }));
    const show = () => { byId(id)[part] = /** @type {any} */ (state.view)[name]; };
    on("view", (/** @type {any} */ changes) => { if (name in changes) show(); });
    show();
  };
  fill(byId("cmap"), ...Object.keys(state.schema.maps).filter((name) => name !== "difference").map((name) => h("option", { value: name, text: name })));
  for (const name of ["cmap", "range", "theme"]) bind(name, name, "value");
  bind("drawn-by", "painter", "value");
  byId("layout").addEventListener("input", () => { const [layout, diff] = byId("layout").value.split("-"); look({ layout, diff: diff ?? state.view.diff }); });
  for (const name of ["flat", "lock", "steady", "invented", "sigma", "overlays", "physical", "gate"]) bind(name, name, "checked");
  byId("brush").addEventListener("input", () => look({ brush: Number(byId("brush").value) }));
  byId("channel").addEventListener("change", () => { if (state.doc) openFile(state.doc.ref, state.doc.name, { frame: state.doc.frame, channel: byId("channel").value }); });
  byId("frame").addEventListener("input", () => showFrame(Number(byId("frame").value)));
  on("framed", document_);
  on("figure", saveFigure);
  const menu = /** @type {HTMLDetailsElement} */ (document.querySelector(".menu"));
  window.addEventListener("pointerdown", (event) => { if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false; }, true);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  const ranged = () => { byId("range").value = Object.values(state.view.limits).some(Boolean) ? "own" : state.view.range; };
  on("doc", ranged);
  on("view", (/** @type {any} */ changes) => {
    if ("limits" in changes) ranged();
    else if (("flat" in changes || "lock" in changes) && state.view.limits.before) look({ limits: { ...state.view.limits, before: null } }); // it was about another picture
  });
  on("view", (/** @type {any} */ changes) => { if (["tool", "layer", "brush", "layout", "diff"].some((name) => name in changes)) toolbar(); });
  toolbar();
  history();
}

function toolbar() {
  const { view } = state;
  for (const button of byId("tools").children) {
    const pressed = String(button.id === `tool-${view.tool}`);
    if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
  }
  write(byId("layer"), view.layer === "exclude" ? "▨ exclude" : "▧ artifact");
  byId("layer").className = view.layer;
  byId("brush").value = view.brush;
  write(byId("brush-size"), `⌀ ${view.brush}`);
  byId("brush-box").hidden = !["brush", "eraser"].includes(view.tool);
  byId("layout").value = view.layout === "diff" ? `diff-${view.diff}` : view.layout;
  byId("stage").dataset.tool = view.tool;
}

function history() {
  const { undo: back, redo: forth } = undoable();
  byId("undo").disabled = !back;
  byId("redo").disabled = !forth;
  byId("undo").title = back ? `Undo: ${back} (Ctrl-Z)` : "Nothing to undo";
  byId("redo").title = forth ? `Redo: ${forth} (Ctrl-Shift-Z)` : "Nothing to redo";
}

// ------------------------------------------------------------------ what changes what

let slow = 0;
let soon = 0;
const PATIENCE_MS = 120; // what is done sooner is not announced

function follow() {
  on("work", (/** @type {any} */ how) => { run(how.drag); if (!how.drag) emit("shapes"); });
  on("view", (/** @type {any} */ changes) => {
    if ("theme" in changes) theme();
    if (changes.sigma && !state.frames.has("sigma")) run();
  });
  on("doc done failed", () => { state.note = ""; });
  on("doc", () => { if (byId("toast").classList.contains("bad")) hush(); }); // it was about another file
  on("doc", document_);
  on("cursor drawn doc", readout);
  on("tipped", legend);
  on("running", () => { slow = window.setTimeout(() => write(byId("status"), "working …"), PATIENCE_MS); });
  on("waiting", status);
  on("step", (/** @type {any} */ head) => {
    const text = `step ${head.index + 1} of ${head.count}: ${head.step}`;
    status(null);
    soon = window.setTimeout(() => { write(byId("status"), text); note(text); emit("slow", head); }, PATIENCE_MS);
    slow = window.setTimeout(() => { status(`${text}: still at it; the first time after an installation, its loops are compiled`); note(`${text}\nThe first time after an installation\nthis takes up to two minutes.`); }, 3000);
  });
  on("failed", (/** @type {any} */ found) => { status("failed"); byId("problem").hidden = false; byId("problem").textContent = sentence(found.error); });
  const told = calmly((/** @type {any} */ head) => {
    if (state.last?.rev !== head.rev) return;
    if (!busy()) status(`${Object.keys(head.ms).length} of ${head.steps.length} steps computed, ${Math.round(head.server_ms)} ms`);
    legend();
    verdict();
  });
  on("done", (/** @type {any} */ head) => {
    if (!byId("problem").hidden) byId("problem").hidden = true;
    status(null);
    told(head);
  });
  on("lost", () => { byId("lost").hidden = false; retry(); });
  on("found", () => { if (!byId("lost").hidden) byId("lost").hidden = true; });
  on("locked", () => { byId("locked").hidden = false; });
  on("saved", () => { write(byId("saved"), "saved"); });
  const changed = () => { write(byId("saved"), "…"); history(); };
  const changedCalmly = calmly(changed);
  on("work", (/** @type {any} */ how) => { if (how.drag) changedCalmly(); else changed(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
}

let retrying = 0;

/** The connection is lost: look again every second, and go on where it was. */
function retry() {
  if (retrying) return;
  retrying = window.setInterval(async () => {
    try {
      const answer = await fetch("./api/browse?ref=root");
      if (answer.status === 401) emit("locked");
      if (!answer.ok) return;
      clearInterval(retrying);
      retrying = 0;
      emit("found");
      run();
    } catch { /* not yet */ }
  }, 1000);
}

function document_() {
  const { doc, info } = state;
  if (!doc || !info) return;
  document.title = `${doc.name} – afmend`;
  byId("name").textContent = doc.name;
  byId("channel-box").hidden = false;
  fill(byId("channel"), ...info.channels.map((/** @type {any} */ one) => h("option", { value: one.key, text: `${one.key}${one.unit ? ` (${one.unit})` : ""}`, selected: one.key === doc.channel })));
  byId("frames").hidden = info.count < 2;
  byId("frame").max = info.count - 1;
  byId("frame").value = doc.frame;
  byId("frame-text").textContent = `${doc.frame + 1} of ${info.count}${info.acquisition.frame_time_s ? `, at ${plain(doc.frame * info.acquisition.frame_time_s)} s` : ""}`;
  const grid = info.grid;
  byId("size").textContent = `${grid.cols} × ${grid.rows}, ${grid.calibrated ? `${quantity(info.size_nm[1], "nm")} × ${quantity(info.size_nm[0], "nm")}` : "size unknown"}`;
  byId("uncalibrated").hidden = grid.calibrated && (info.channels.find((/** @type {any} */ one) => one.key === doc.channel)?.calibrated ?? true);
}

function readout() {
  const { cursor, info } = state;
  const box = byId("readout");
  if (!cursor || !info) {
    write(box, "");
    return;
  }
  const { grid } = info;
  const [x, y] = [Math.floor(cursor.x), Math.floor(cursor.y)];
  const place = grid.calibrated ? `x ${quantity((x + 0.5) * grid.pixel_fast_nm, "nm", info.size_nm[1])}, y ${quantity((y + 0.5) * grid.pixel_slow_nm, "nm", info.size_nm[0])}` : "";
  const value = (/** @type {string} */ name) => { const frame = state.frames.get(name); const v = valueAt(frame, cursor.x, cursor.y); return v === null ? "" : quantity(v, frame.head.unit); };
  const error = value("sigma");
  write(box, `column ${x}, line ${y}; ${place}; original ${value("original") || "–"} as recorded, leveled ${value("leveled") || "–"}, mended ${value("mended") || "–"}${error ? ` ± ${error}` : ""}`);
}

/** Say it where pictures are missing, too. @param {string} text */
function note(text) {
  state.note = text;
  emit("noted");
}

/** @param {string|null} text null = as it is */
function status(text) {
  clearTimeout(slow);
  clearTimeout(soon);
  if (text !== null) write(byId("status"), text);
}

/** What the list says of a file after a run. */
function verdict() {
  const flags = state.frames.get("flags");
  if (!state.doc || !flags) return;
  const share = (/** @type {string} */ name) => (100 * (flags.head.counts[name] ?? 0)) / (flags.head.full[0] * flags.head.full[1]);
  state.verdicts[state.doc.ref] = standing(share("invented"), share("open"), share("missing"));
  emit("verdict", state.doc.ref);
}

function theme() {
  const { theme: wanted } = state.view;
  const dark = wanted === "dark" || (wanted === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  forgetPaper();
  redraw();
  emit("theme");
}

// For the tests and for the curious: the state, and what is on the screen.
Object.defineProperty(window, "__afmend", { value: {
  state, shown, drawn, sketch, violations, wish, busy, revision, look, limits, placement, toScreen, upload, openFile, nameOf, usePreset, change, undoable, exportNow, startBatch, maximise,
  shortcuts: SHORTCUTS, painterKind: () => painter.kind, cells,
  raw: pixel,
  settled: () => !busy() && shown.full === revision() && state.last !== null,
  pixel: (/** @type {string} */ id, /** @type {number} */ x, /** @type {number} */ y) => {
    const one = cells.get(id);
    const at = toScreen(placement(one.box), one.box, x, y);
    return pixel(one.box.x + at[0], one.box.y + at[1]);
  },
} });

start().catch((error) => {
  byId("problem").hidden = false;
  byId("problem").textContent = `The page could not start: ${sentence(error.error) || error.message}`;
  say("The page could not start.", "bad");
});
