// Under the panels: profile, histogram, roughness, step height, what the steps found out.

import { drawChart } from "./chart.js";
import { byId, download, fill, h, sentence } from "./dom.js";
import { gateTab } from "./gate.js";
import { api, busy } from "./net.js";
import { plain, quantity } from "./numbers.js";
import { along, histogram, lengthOf, originalName, pair } from "./profile.js";
import { leastShown, leastSpan } from "./scene.js";
import { tipTab } from "./tip.js";
import { emit, look, on, state, wish } from "./store.js";

const TABS = { profile: "Profile", histogram: "Histogram", roughness: "Roughness", step: "Step height", gate: "Gate", tip: "Tip", log: "Steps" };
const BEFORE = "#8a6d3b";
const AFTER = "#2a86c8";
const WITHOUT_TIP = "#8f55d9"; // as the stripes in the map
let asked = 0;

export function makeDock() {
  const tabs = byId("dock-tabs");
  for (const [id, name] of Object.entries(TABS)) {
    tabs.append(h("button", { role: "tab", id: `tab-${id}`, "aria-controls": "dock-body", data: { tab: id }, onclick: () => look({ dock: id }) }, name));
  }
  tabs.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const ids = Object.keys(TABS);
    const next = ids[(ids.indexOf(state.view.dock) + by + ids.length) % ids.length];
    look({ dock: next });
    byId(`tab-${next}`).focus();
  });
  on("view", (/** @type {any} */ changes) => { if (["dock", "flat", "gateMap", "gateOf"].some((name) => name in changes)) refresh(); });
  on("tipped", () => { if (state.view.dock === "tip") refresh(); });
  on("idle", () => { if (["tip", "roughness", "step"].includes(state.view.dock)) refresh(); });
  on("gated", () => { if (state.view.dock === "gate") refresh(); });
  on("line areas doc theme", () => refresh());
  on("done", () => later());
  new ResizeObserver(() => later()).observe(byId("dock-body"));
  grip();
  refresh();
}

/** The edge between panels and numbers can be dragged, or moved with the arrow keys; a double click puts it back. */
function grip() {
  const edge = byId("dock-grip");
  const dock = byId("dock");
  const set = (/** @type {number} */ height) => {
    const fits = height ? Math.round(Math.min(0.7 * window.innerHeight, Math.max(90, height))) : 0;
    look({ dockHeight: fits });
  };
  const show = () => {
    if (state.view.dockHeight) dock.style.setProperty("--dock", `${state.view.dockHeight}px`);
    else dock.style.removeProperty("--dock");
    edge.setAttribute("aria-valuenow", String(Math.round(dock.getBoundingClientRect().height)));
  };
  edge.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => edge.setPointerCapture(event.pointerId));
  edge.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => { if (edge.hasPointerCapture(event.pointerId)) set(dock.getBoundingClientRect().bottom - event.clientY); });
  edge.addEventListener("dblclick", () => set(0));
  edge.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowUp: 16, ArrowDown: -16 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    set(dock.getBoundingClientRect().height + by);
  });
  on("view", (/** @type {any} */ changes) => { if ("dockHeight" in changes) show(); });
  show();
}

function later() {
  if (!asked) asked = requestAnimationFrame(() => { asked = 0; if (["profile", "histogram", "tip", "log"].includes(state.view.dock)) refresh(); });
}

export function refresh() {
  const kind = /** @type {keyof typeof TABS} */ (state.view.dock);
  for (const tab of byId("dock-tabs").children) {
    const on_ = tab.dataset.tab === kind;
    if (tab.getAttribute("aria-selected") === String(on_)) continue;
    tab.setAttribute("aria-selected", String(on_));
    tab.tabIndex = on_ ? 0 : -1;
  }
  if (byId("dock-body").getAttribute("aria-labelledby") !== `tab-${kind}`) byId("dock-body").setAttribute("aria-labelledby", `tab-${kind}`);
  if (!state.info) fill(byId("dock-body"), h("p", { class: "dim", text: "Open a scan first." }));
  else ({ profile, histogram: shares, roughness, step, gate: () => gateTab(byId("dock-body")), tip: () => tipTab(byId("dock-body"), withoutTip), log })[kind]();
}

/** @param {any[]} series @param {any} units @param {string} name @param {string[]} [facts] */
function chart(series, units, name, facts = []) {
  let canvas = byId("chart");
  if (!canvas || !byId("dock-body").querySelector(".chart-side")) {
    canvas = h("canvas", { id: "chart", role: "img", "aria-label": name });
    fill(byId("dock-body"), h("div", { class: "chart-side" }), canvas);
  }
  if (canvas.getAttribute("aria-label") !== name) canvas.setAttribute("aria-label", name);
  const side = /** @type {any} */ (byId("dock-body").querySelector(".chart-side"));
  const text = `${name}|${facts.join("|")}`;
  if (side.dataset.text !== text) {
    side.dataset.text = text;
    fill(side, ...facts.map((one) => h("p", { text: one })), h("button", { onclick: () => side.save() }, "Save as CSV"));
  }
  side.save = () => table(series, units, name);
  drawChart(canvas, series, units);
}

/** @param {any[]} series @param {any} units @param {string} name */
function table(series, units, name) {
  const head = series.flatMap((one) => [`${units.xName} (${units.x || "1"}), ${one.name}`, `${units.yName} (${units.y || "1"}), ${one.name}`]);
  const lines = [head.map((cell) => `"${cell}"`).join(",")];
  for (let i = 0; i < Math.max(...series.map((one) => one.x.length)); i++) lines.push(series.flatMap((one) => [one.x[i] ?? "", Number.isFinite(one.y[i]) ? one.y[i] : ""]).join(","));
  download(`${name}.csv`, `${lines.join("\n")}\n`, "text/csv");
}

/** The line of the profile; without one, the middle line of the scan. */
export const lineOf = () => state.line ?? [[0, Math.floor(state.info.grid.rows / 2) + 0.5], [state.info.grid.cols, Math.floor(state.info.grid.rows / 2) + 0.5]];

function profile() {
  const line = lineOf();
  const unit = state.frames.get("original")?.head.unit ?? "";
  const { before, after, invented, name } = pair(line);
  const bars = state.frames.has("sigma") ? along(state.frames.get("sigma"), line).y.map((s) => (s < 1e37 ? s : NaN)) : undefined;
  const span = (/** @type {Float64Array} */ y) => { const good = y.filter(Number.isFinite); const high = good.length ? Math.max(...good) - Math.min(...good) : NaN; return high < leastSpan(unit) ? 0 : high; };
  chart([
    { name, color: BEFORE, dash: [5, 3], ...before },
    { name: "mended (filled: shaded)", color: AFTER, ...after, marks: invented, band: bars },
  ], { x: state.info.grid.calibrated ? "nm" : "px", y: unit, xName: "along the line", yName: "height", least: leastShown(unit) }, "profile", [
    state.line ? `Line A to B: ${state.info.grid.calibrated ? quantity(lengthOf(line), "nm") : `${plain(lengthOf(line))} px`}` : "Middle line. The tool “line profile” draws another.",
    `Highest to lowest: ${quantity(span(before.y), unit)} before, ${quantity(span(after.y), unit)} after`,
  ]);
}

/** Before and after the tip is taken off, along the same line. */
function withoutTip() {
  const [mended, tip, flags] = ["mended", "tip", "tip_flags"].map((name) => state.frames.get(name));
  if (!mended) return;
  const line = lineOf();
  const series = [{ name: "mended", color: AFTER, dash: tip ? [5, 3] : [], ...along(mended, line) }];
  if (tip) series.unshift(/** @type {any} */ ({ name: "tip taken off (shaded: bound)", color: WITHOUT_TIP, ...along(tip, line), marks: along(flags, line).y.map((v) => Number(v) & 8) }));
  drawChart(byId("chart"), series, { x: state.info.grid.calibrated ? "nm" : "px", y: mended.head.unit, xName: "along the line", yName: "height", least: leastShown(mended.head.unit) });
}

function shares() {
  const series = [];
  for (const [panel, group, name, color, dash] of /** @type {[string, string, string, string, number[]][]} */ ([
    ["original", "before", originalName(), BEFORE, [5, 3]], ["mended", "after", "mended", AFTER, []]])) {
    const frame = state.frames.get(panel);
    if (frame) series.push({ name, color, dash, ...histogram(frame, group) });
  }
  if (series.length) chart(series, { x: state.frames.get("original").head.unit, y: "%", xName: "height", yName: "share of pixels", zero: true }, "histogram");
}

const COLUMNS = ["Sq", "Sa", "Sz", "Ssk", "Sku", "Sdq", "pixels"];

async function roughness() {
  const doc = state.doc;
  if (busy() || !state.last) {
    fill(byId("dock-body"), h("p", { class: "dim", text: "Waiting for the result …" }));
    return;
  }
  try {
    const { rows } = await api("measure", wish());
    if (doc !== state.doc || state.view.dock !== "roughness") return;
    const cell = (/** @type {any} */ row, /** @type {string} */ name) => (row[name] === undefined || row[name] === null ? "–" : ["Sq", "Sa", "Sz"].includes(name) ? quantity(row[name], row.unit) : plain(row[name], name === "pixels" ? 7 : 3));
    fill(byId("dock-body"), h("table", {}, h("caption", { text: `Roughness of ${doc?.channel}, whole image, nothing filtered (ISO 25178-2)` }),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", text: "" }), ...COLUMNS.map((name) => h("th", { scope: "col", text: name })))),
      h("tbody", {}, ...rows.map((/** @type {any} */ row) => h("tr", {}, h("th", { scope: "row", text: row.state }), ...COLUMNS.map((name) => h("td", { text: cell(row, name) })))))));
  } catch (error) {
    fill(byId("dock-body"), h("p", { class: "bad", text: sentence(/** @type {any} */ (error).error) }));
  }
}

async function step() {
  const areas = state.areas;
  if (areas.length < 2) {
    fill(byId("dock-body"), h("p", { text: `Step height: choose the tool “areas for step height” and draw ${areas.length ? "the second area" : "two areas, the lower first"} on the original or the mended map.` }));
    return;
  }
  try {
    const found = await api("step_height", { wish: wish(), first: areas[0], second: areas[1] });
    if (state.view.dock !== "step") return;
    const { unit } = found;
    fill(byId("dock-body"),
      h("p", { class: "big", text: `${quantity(found.step, unit)} from area 1 to area 2` }),
      h("p", { text: `Medians: ${quantity(found.step_of_medians, unit)}. Standard error at least ${quantity(found.standard_error, unit, found.step)}: neighboring pixels are not independent.` }),
      ...found.warnings.map((/** @type {string} */ text) => h("p", { class: "warn", text })),
      ...["first", "second"].map((name, i) => h("p", { class: "dim", text: `Area ${i + 1}: mean ${quantity(found[name].mean, unit)}, deviation ${quantity(found[name].deviation, unit)}, ${found[name].pixels} measured pixels` })),
      h("button", { onclick: () => { state.areas = []; emit("areas"); emit("shapes"); } }, "Clear"));
  } catch (error) {
    fill(byId("dock-body"), h("p", { class: "bad", text: sentence(/** @type {any} */ (error).error) }));
  }
}

function log() {
  const rows = (state.last?.history ?? []).map((/** @type {any} */ one) => h("tr", {}, h("th", { scope: "row", text: one.step }), h("td", { text: facts(one.facts) })));
  fill(byId("dock-body"), rows.length ? h("table", {}, h("caption", { text: "What each step found out" }), h("tbody", {}, ...rows)) : h("p", { class: "dim", text: "Waiting for the result …" }));
}

/** @param {any} all */
function facts(all) {
  const shown = Object.entries(all).filter(([, value]) => value !== "" && value !== null).map(([name, value]) => {
    const text = Array.isArray(value) && !value.length ? "none" : typeof value === "number" ? plain(value, 4) : typeof value === "object" ? JSON.stringify(value) : String(value);
    return `${name.replaceAll("_", " ")}: ${text.length > 90 ? `${text.slice(0, 90)}…` : text}`;
  });
  return shown.join("; ") || "–";
}
