// One parameter: label, slider with its recommended band, number box, unit, reset, help. Made from the step's definition.

import { h } from "./dom.js";
import { plain } from "./numbers.js";

/** Where a slider begins and ends, and its step. @param {any} param */
export function span(param) {
  const whole = param.kind === "integer";
  const base = Math.abs(Number(param.default) || 0);
  const band = param.recommended ?? [0, 0];
  let low = param.low ?? Math.min(0, band[0], (Number(param.default) || 0) < 0 ? 2 * Number(param.default) : 0);
  let high = param.high ?? Math.max(2 * band[1], 4 * base, 1);
  const far = Math.max(4 * base, 3 * band[1], whole ? 10 : 1);
  if (param.high !== null && high - low > 3 * far) high = low + far; // the allowed range is much wider than the useful one
  if (low < -50 * far) low = -far;
  const step = param.step ?? (whole ? 1 : 10 ** Math.floor(Math.log10((high - low) / 100)));
  if (param.low_open) low += step;
  if (param.high_open) high -= step;
  return { low, high, step };
}

/**
 * @param {any} param Facts of schema.py. @param {() => any} get @param {(value: any, how: {drag: boolean, gesture: string}) => void} set
 * @param {string} id Unique on the page. @param {(values: number[]) => Promise<any[]>} [tryOut] What values do, on the scan in sight.
 */
export function knob(param, get, set, id, tryOut) {
  const makers = { integer: number, number, switch: toggle, choice, text, json };
  const seen = h("div", { class: "tries" });
  const help = h("div", { class: "help", id: `${id}-help`, hidden: true }, h("p", { text: about(param) }), seen);
  const info = h("button", { class: "quiet info", "aria-expanded": "false", "aria-controls": `${id}-help`, "aria-label": `About ${param.name}`, text: "i",
    onclick: () => { help.hidden = !help.hidden; if (!help.hidden && tryOut && ["number", "integer"].includes(param.kind)) compare(seen, param, get, set, tryOut); info.setAttribute("aria-expanded", String(!help.hidden)); } });
  const reset = h("button", { class: "quiet reset", title: "Back to the default", "aria-label": `Reset ${param.name}`, text: "↺", onclick: () => set(param.default, { drag: false, gesture: "" }) });
  const label = h("label", { for: id, title: "Double click: back to the default", ondblclick: () => set(param.default, { drag: false, gesture: "" }) }, param.name.replace(/_(px|nm|deg|hz|s)$/, "").replaceAll("_", " "));
  const widget = makers[/** @type {keyof typeof makers} */ (param.kind)](param, get, set, id);
  const row = h("div", { class: `knob kind-${param.kind}${param.advanced ? " advanced" : ""}` }, h("div", { class: "head" }, label, ...widget.side, reset, info), ...widget.below, help);
  return { row, update() {
    const value = get();
    widget.update(value);
    const changed = JSON.stringify(value) !== JSON.stringify(param.default);
    reset.style.visibility = changed ? "visible" : "hidden";
    row.classList.toggle("changed", changed);
    const outside = param.recommended && typeof value === "number" && (value < param.recommended[0] || value > param.recommended[1]);
    row.classList.toggle("outside", Boolean(outside));
    row.title = outside ? `Usually ${plain(param.recommended[0])} to ${plain(param.recommended[1])}` : "";
  } };
}

/** A value below and one above the usual band. @param {any} param @returns {[number, number]} */
export function extremes(param) {
  const { low, high, step } = span(param);
  const [from, to] = param.recommended ?? [low + 0.15 * (high - low), low + 0.6 * (high - low)];
  const round = (/** @type {number} */ v) => { const on = Number((low + Math.round((v - low) / step) * step).toPrecision(10)); return param.kind === "integer" ? Math.round(on) : on; };
  const within = (/** @type {number} */ v) => Math.min(param.high ?? Infinity, Math.max(param.low ?? -Infinity, v));
  return [within(round(low + 0.25 * (Math.min(from, high) - low))), within(round(Math.min(to, high) + 0.6 * (high - Math.min(to, high))))];
}

/** Small pictures of what the scan looks like with a low, the present and a high value. @param {any} box @param {any} param @param {() => any} get @param {any} set @param {(values: number[]) => Promise<any[]>} tryOut */
async function compare(box, param, get, set, tryOut) {
  const now = get();
  const [low, high] = extremes(param);
  const values = [low, ...(typeof now === "number" ? [now] : []), high].filter((v, i, all) => all.indexOf(v) === i);
  const word = (/** @type {number} */ v) => (v === now ? "now" : v === low ? "low" : "high");
  box.replaceChildren(h("p", { class: "dim", text: "Trying values on the middle of this scan …" }));
  try {
    const found = await tryOut(values);
    box.replaceChildren(...found.map((one) => {
      const share = one.problem ?? (one.marks ? `${plain(100 * one.share, 2)} % marked` : "");
      return h("button", { class: "quiet try", title: one.problem ? one.problem : `Take ${plain(one.value)}`, disabled: Boolean(one.problem), onclick: () => set(one.value, { drag: false, gesture: "" }) },
        one.png ? h("img", { src: `data:image/png;base64,${one.png}`, alt: `${word(one.value)}: ${share}` }) : null, h("span", { text: `${word(one.value)}: ${plain(one.value)}` }), share ? h("span", { class: "dim", text: share }) : null);
    }));
  } catch {
    box.replaceChildren();
  }
}

/** @param {any} param */
function about(param) {
  const parts = [param.help];
  if (param.recommended) parts.push(`Usually ${plain(param.recommended[0])} to ${plain(param.recommended[1])}${param.unit ? ` ${param.unit}` : ""}.`);
  if (param.low !== null || param.high !== null) parts.push(`Allowed: ${param.low ?? "…"} to ${param.high ?? "…"}.`);
  parts.push(`Default: ${JSON.stringify(param.default)}.`);
  return parts.join(" ");
}

/** @param {any} param @param {() => any} get @param {any} set @param {string} id */
function number(param, get, set, id) {
  const { low, high, step } = span(param);
  const box = h("input", { type: "text", inputmode: "decimal", class: "number", id, autocomplete: "off", placeholder: param.optional ? "auto" : "", "aria-describedby": `${id}-help` });
  const slider = h("input", { type: "range", min: low, max: high, step: "any", "aria-label": param.name, tabindex: "-1" });
  const band = h("div", { class: "band", hidden: !param.recommended });
  if (param.recommended) {
    const at = (/** @type {number} */ v) => `${(100 * Math.max(0, Math.min(1, (v - low) / (high - low)))).toFixed(1)}%`;
    band.style.setProperty("--from", at(param.recommended[0]));
    band.style.setProperty("--to", at(param.recommended[1]));
  }
  let gesture = 0;
  const round = (/** @type {number} */ v) => {
    const rounded = Number((low + Math.round((v - low) / step) * step).toPrecision(10));
    return param.kind === "integer" ? Math.round(rounded) : rounded;
  };
  const within = (/** @type {number} */ v) => Math.min(param.high ?? Infinity, Math.max(param.low ?? -Infinity, v));
  slider.addEventListener("pointerdown", () => { gesture++; });
  slider.addEventListener("input", () => set(within(round(Number(slider.value))), { drag: true, gesture: `${id}#${gesture}` }));
  slider.addEventListener("change", () => set(get(), { drag: false, gesture: `${id}#${gesture}` }));
  const typed = () => {
    const words = box.value.trim().replace("−", "-").replace(",", ".");
    const value = words === "" && param.optional ? null : Number(words);
    const bad = value !== null && (words === "" || !Number.isFinite(value) || value < (param.low ?? -Infinity) || value > (param.high ?? Infinity));
    box.setAttribute("aria-invalid", String(bad));
    if (!bad) set(value === null ? null : param.kind === "integer" ? Math.round(value) : value, { drag: false, gesture: "" });
  };
  box.addEventListener("change", typed);
  const nudge = (/** @type {number} */ sign, /** @type {KeyboardEvent|WheelEvent} */ event) => {
    event.preventDefault();
    const by = sign * step * (event.shiftKey ? 10 : event.altKey && param.kind === "number" ? 0.1 : 1);
    const value = Number(((get() ?? low) + by).toPrecision(10));
    set(within(param.kind === "integer" ? Math.round(value) : value), { drag: true, gesture: `${id}#keys` });
  };
  box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowUp" || event.key === "ArrowDown") nudge(event.key === "ArrowUp" ? 1 : -1, event);
  });
  box.addEventListener("wheel", (/** @type {WheelEvent} */ event) => { if (document.activeElement === box) nudge(event.deltaY < 0 ? 1 : -1, event); }, { passive: false });
  return { side: [box, h("span", { class: "unit", text: param.unit })], below: [slider, band], update: (/** @type {any} */ value) => {
    if (document.activeElement !== box || box.dataset.last !== String(value)) box.value = value === null || value === undefined ? "" : String(value);
    box.dataset.last = String(value);
    box.setAttribute("aria-invalid", "false");
    slider.value = String(value ?? low);
  } };
}

/** @param {any} param @param {() => any} _get @param {any} set @param {string} id */
function toggle(param, _get, set, id) {
  const box = h("input", { type: "checkbox", id, onchange: () => set(box.checked, { drag: false, gesture: "" }) });
  return { side: [box], below: [], update: (/** @type {any} */ value) => { box.checked = Boolean(value); } };
}

/** @param {any} param @param {() => any} _get @param {any} set @param {string} id */
function choice(param, _get, set, id) {
  const options = param.choices.map((/** @type {any} */ one) => h("option", { value: String(one), text: String(one).replaceAll("_", " ") }));
  if (param.optional) options.unshift(h("option", { value: "", text: "auto" }));
  const box = h("select", { id, onchange: () => set(box.value === "" && param.optional ? null : param.choices.find((/** @type {any} */ one) => String(one) === box.value), { drag: false, gesture: "" }) }, ...options);
  return { side: [box], below: [], update: (/** @type {any} */ value) => { box.value = value === null ? "" : String(value); } };
}

/** @param {any} param @param {() => any} _get @param {any} set @param {string} id */
function text(param, _get, set, id) {
  const box = h("input", { type: "text", id, onchange: () => set(box.value, { drag: false, gesture: "" }) });
  return { side: [box], below: [], update: (/** @type {any} */ value) => { box.value = value ?? ""; } };
}

/** @param {any} param @param {() => any} _get @param {any} set @param {string} id */
function json(param, _get, set, id) {
  const box = h("input", { type: "text", id, class: "json", onchange: () => {
    try {
      set(box.value.trim() === "" ? param.default : JSON.parse(box.value), { drag: false, gesture: "" });
    } catch {
      box.setAttribute("aria-invalid", "true");
    }
  } });
  return { side: [], below: [box], update: (/** @type {any} */ value) => { box.value = JSON.stringify(value); box.setAttribute("aria-invalid", "false"); } };
}
