// Under the panels: profile, histogram, roughness, step height, what the steps found out.

import { drawChart } from "./chart.js";
import { byId, download, fill, h, sentence } from "./dom.js";
import { api, busy } from "./net.js";
import { plain, quantity } from "./numbers.js";
import { along, histogram, lengthOf } from "./profile.js";
import { flattened } from "./scene.js";
import { emit, look, on, state, wish } from "./store.js";

const TABS = { profile: "Profile", histogram: "Histogram", roughness: "Roughness", step: "Step height", log: "Steps" };
const BEFORE = "#8a6d3b";
const AFTER = "#1f77b4";
let asked = 0;

export function makeDock() {
  const tabs = byId("dock-tabs");
  for (const [id, name] of Object.entries(TABS)) {
    tabs.append(h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "dock-body", data: { tab: id }, onclick: () => look({ dock: id }) }, name));
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
  on("view", (/** @type {any} */ changes) => { if ("dock" in changes || "flat" in changes || "theme" in changes) refresh(); });
  on("line areas doc", () => refresh());
  on("done", () => (["profile", "histogram"].includes(state.view.dock) ? later() : refresh()));
  new ResizeObserver(() => later()).observe(byId("dock-body"));
  refresh();
}

function later() {
  if (!asked) asked = requestAnimationFrame(() => { asked = 0; if (["profile", "histogram"].includes(state.view.dock)) refresh(); });
}

export function refresh() {
  const kind = /** @type {keyof typeof TABS} */ (state.view.dock);
  for (const tab of byId("dock-tabs").children) {
    const on_ = tab.dataset.tab === kind;
    tab.setAttribute("aria-selected", String(on_));
    tab.tabIndex = on_ ? 0 : -1;
  }
  byId("dock-body").setAttribute("aria-labelledby", `tab-${kind}`);
  if (!state.info) fill(byId("dock-body"), h("p", { class: "dim", text: "Open a scan first." }));
  else ({ profile, histogram: shares, roughness, step, log })[kind]();
}

/** @param {any[]} series @param {any} units @param {string} name @param {any[]} [facts] */
function chart(series, units, name, facts = []) {
  let canvas = byId("chart");
  if (!canvas) {
    canvas = h("canvas", { id: "chart", role: "img", "aria-label": name });
    fill(byId("dock-body"), h("div", { class: "chart-side" }), canvas);
  }
  canvas.setAttribute("aria-label", name);
  fill(/** @type {Element} */ (byId("dock-body").querySelector(".chart-side")), ...facts, h("button", { type: "button", onclick: () => table(series, units, name) }, "Save as CSV"));
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
  const [original, mended] = [state.frames.get("original"), state.frames.get("mended")];
  const unit = original?.head.unit ?? "";
  const before = along(original, line, "before");
  const after = along(mended, line);
  const invented = along(state.frames.get("flags"), line).y.map((v) => Number(v) & 1);
  const bars = state.frames.has("sigma") ? along(state.frames.get("sigma"), line).y.map((s) => (s < 1e37 ? s : NaN)) : undefined;
  const name = flattened("before") ? "original without its plane" : "original";
  const span = (/** @type {Float64Array} */ y) => { const good = y.filter(Number.isFinite); return good.length ? Math.max(...good) - Math.min(...good) : NaN; };
  chart([
    { name, color: BEFORE, dash: [5, 3], ...before },
    { name: "mended (filled: shaded)", color: AFTER, ...after, marks: invented, band: bars },
  ], { x: state.info.grid.calibrated ? "nm" : "px", y: unit, xName: "along the line", yName: "height" }, "profile", [
    h("p", { text: state.line ? `Line A to B: ${state.info.grid.calibrated ? quantity(lengthOf(line), "nm") : `${plain(lengthOf(line))} px`}` : "Middle line. Draw another with M." }),
    h("p", { text: `Highest to lowest: ${quantity(span(before.y), unit)} before, ${quantity(span(after.y), unit)} after` }),
  ]);
}

function shares() {
  const series = [];
  for (const [panel, group, name, color, dash] of /** @type {[string, string, string, string, number[]][]} */ ([
    ["original", "before", flattened("before") ? "original without its plane" : "original", BEFORE, [5, 3]], ["mended", "after", "mended", AFTER, []]])) {
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
    fill(byId("dock-body"), h("p", { text: `Step height: choose the tool "areas" (S) and draw ${areas.length ? "the second area" : "two areas, the lower first"} on the original or the mended map.` }));
    return;
  }
  try {
    const found = await api("step_height", { wish: wish(), first: areas[0], second: areas[1] });
    if (state.view.dock !== "step") return;
    const { unit } = found;
    fill(byId("dock-body"),
      h("p", { class: "big", text: `${quantity(found.step, unit)} from area 1 to area 2` }),
      h("p", { text: `Medians: ${quantity(found.step_of_medians, unit)}. Standard error at least ${quantity(found.standard_error, unit, found.step)}: neighboring pixels are not independent.` }),
      ...["first", "second"].map((name, i) => h("p", { class: "dim", text: `Area ${i + 1}: mean ${quantity(found[name].mean, unit)}, deviation ${quantity(found[name].deviation, unit)}, ${found[name].pixels} measured pixels` })),
      h("button", { type: "button", onclick: () => { state.areas = []; emit("areas"); emit("shapes"); } }, "Clear"));
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
  const shown = Object.entries(all).map(([name, value]) => {
    const text = typeof value === "number" ? plain(value, 4) : typeof value === "object" ? JSON.stringify(value) : String(value);
    return `${name.replaceAll("_", " ")}: ${text.length > 90 ? `${text.slice(0, 90)}…` : text}`;
  });
  return shown.join("; ") || "–";
}
