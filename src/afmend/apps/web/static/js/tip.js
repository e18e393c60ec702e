// The tip of the image in sight: what the scan says about it, its picture, and the profile without it.

import { capital, fill, h, sentence } from "./dom.js";
import { api, busy, decode, Messages } from "./net.js";
import { plain, quantity } from "./numbers.js";
import { edit } from "./pipeline.js";
import { emit, look, on, state, wish } from "./store.js";

const options = { source: "estimate", radius_nm: 10, half_angle_deg: 20, double_tip: true };
/** @type {{key: string, head: any, error: string}} */
let found = { key: "", head: null, error: "" };
let asking = "";

export function listenTip() {
  on("doc", () => { found = { key: "", head: null, error: "" }; });
  on("view", (/** @type {any} */ changes) => { if ("dock" in changes) emit("tipped"); });
}

/** Ask again if the mended scan, or what is known of the tip, changed. */
async function ask() {
  const asked = wish();
  if (!asked || busy() || !state.last) return;
  const key = JSON.stringify([state.last.digest, asked.ref, asked.frame, options, state.view.cmap]);
  if (key === found.key || key === asking) return;
  asking = key;
  try {
    const answer = await api("tip", { wish: asked, ...options, cmap: state.view.cmap }, { raw: true });
    const parts = new Messages().push(new Uint8Array(await answer.arrayBuffer()));
    if (asking !== key) return;
    for (const name of ["tip", "tip_flags"]) state.frames.delete(name);
    for (const { head, payload } of parts.slice(1)) {
      state.frames.set(head.panel, { head, data: decode(head, payload) });
      emit("frame", head.panel);
    }
    found = { key, head: parts[0].head, error: "" };
  } catch (error) {
    found = { key, head: null, error: sentence(/** @type {any} */ (error).error) || "The server did not answer." };
  }
  asking = "";
  emit("tipped");
}

/** @param {Element} box @param {() => void} curve Draws the profile into `#tip-chart`. */
export function tipTab(box, curve) {
  ask();
  const { head, error } = found;
  const said = head ? told(head) : [h("p", { class: error ? "bad" : "dim", text: error || "Looking for the tip in the mended scan …" })];
  fill(box, controls(), h("div", { class: "tip-said" }, ...said), pictures(head?.pictures), h("div", { class: "tip-chart" }, h("canvas", { id: "chart", role: "img", "aria-label": "Profile before and after the tip is taken off" })));
  curve();
}

/** @param {any} head */
function told(head) {
  const facts = head.facts;
  const lines = [];
  const [low, high] = facts.interval_nm ?? [null, null];
  if (!("verdict" in facts)) {
    if (facts.radius_nm) lines.push(h("p", { class: "big", text: `Given tip: ${quantity(facts.radius_nm, "nm")}` }));
  } else if (facts.verdict === "confident") lines.push(h("p", { class: "big", text: `Radius ${quantity(facts.radius_nm, "nm")}` }), h("p", { text: `95 % between ${quantity(low, "nm")} and ${quantity(high, "nm")}: ${facts.reason}.` }));
  else {
    lines.push(h("p", { class: "big", text: facts.verdict === "bound" ? `No estimate; at most ${quantity(high, "nm")}` : "No estimate" }), h("p", { text: `${capital(facts.reason)}.` }));
  }
  if (head.ghosts) lines.push(h("p", { text: head.ghosts }));
  if (head.corrected && facts.unsure) lines.push(h("p", { text: `Corrected as far as is better on average: the scan does not show the radius, likely ${quantity(facts.likely_nm, "nm")}, in nine of ten cases at least ${quantity(facts.quantile_10_nm, "nm")}. No height is certain; purple stripes: likely never touched.` }));
  else if (head.corrected) lines.push(h("p", { text: `${plain(100 * facts.certain_share, 3)} % of the pixels are certain. Purple stripes: never touched, the surface may lie lower.` }));
  else if (!("verdict" in facts) || facts.skipped !== facts.reason) lines.push(h("p", { text: `Nothing is taken off: ${facts.skipped}.` }));
  if (head.corrected && facts.untouched === "mean") lines.push(h("p", { text: `What was never touched is a guess: the mean of a rule of thumb and of what the network "${facts.model}" says.` }));
  if (facts.advice) lines.push(h("p", { class: "dim", text: facts.advice }));
  if (head.corrected) lines.push(h("button", { onclick: () => { edit("take the tip off", (steps) => [...steps.filter((use) => !head.steps.some((/** @type {any} */ one) => one.step === use.step)), ...head.steps]); look({ dock: "profile" }); } }, "Add to the recipe"));
  return lines;
}

function controls() {
  const set = (/** @type {Partial<typeof options>} */ changes) => { Object.assign(options, changes); emit("tipped"); };
  const number = (/** @type {"radius_nm"|"half_angle_deg"} */ name, /** @type {string} */ label, /** @type {number[]} */ [low, high], /** @type {string} */ unit) => h("label", { class: "small" }, label,
    h("input", { type: "number", class: "number", id: `tip-${name}`, min: low, max: high, step: "any", value: options[name], onchange: (/** @type {any} */ event) => {
      const value = Number(event.target.value);
      if (value >= low && value <= high) set({ [name]: value });
      else event.target.setAttribute("aria-invalid", "true");
    } }), unit);
  const given = options.source === "given";
  return h("div", { class: "row tip-controls" },
    h("select", { id: "tip-source", "aria-label": "Where the tip comes from", onchange: (/** @type {any} */ event) => set({ source: event.target.value }) }, h("option", { value: "estimate", text: "from this scan", selected: !given }), h("option", { value: "given", text: "known radius", selected: given })),
    given ? number("radius_nm", "radius", [0.001, 1e6], "nm") : null, number("half_angle_deg", "half angle", [2, 80], "°"),
    h("label", { class: "small" }, h("input", { type: "checkbox", id: "tip-double", checked: options.double_tip, onchange: (/** @type {any} */ event) => set({ double_tip: event.target.checked }) }), "double tip"));
}

/** @param {any} made */
function pictures(made) {
  if (!made) return null;
  const facts = found.head?.facts ?? {};
  const bound = facts.verdict && facts.verdict !== "confident";
  const image = (/** @type {string} */ text, /** @type {string} */ alt) => h("img", { src: `data:image/png;base64,${text}`, alt });
  return h("figure", { class: "tip-pictures" }, image(made.above, "The tip from above"), image(made.solid, "The tip in three dimensions"),
    h("figcaption", { class: "dim", text: `${bound ? "Bluntest tip the scan allows" : "The tip"}, ${quantity(made.side_nm, "nm")} wide, ${quantity(made.depth_nm, "nm")} deep` }));
}
