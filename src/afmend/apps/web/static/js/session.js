// Autosave: the work of this tab goes to the server shortly after each change, and into the browser as well.

import { api } from "./net.js";
import { emit, on, restart, state } from "./store.js";

const KEPT_VIEW = ["layout", "solo", "cmap", "flat", "range", "lock", "steady", "overlays", "invented", "sigma", "physical", "diff", "dock", "theme", "layer", "brush", "shortcuts", "turn", "tilt", "z", "gate", "dockHeight", "keys", "painter"];
let timer = 0;
let tab = "";
let ready = false;

function tabName() {
  tab = sessionStorage.getItem("afmend-tab") ?? "";
  if (!/^[0-9a-f]{16}$/.test(tab)) {
    tab = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("afmend-tab", tab);
  }
  return tab;
}

/** What is kept. */
export function snapshot() {
  const { doc, work, view, batch, uploads } = state;
  return { version: 1, doc, work, batch, uploads, view: Object.fromEntries(KEPT_VIEW.map((name) => [name, view[/** @type {keyof typeof view} */ (name)]])) };
}

/** Bring back what this tab, or the last one, worked on. */
export async function restore() {
  tabName();
  let found = null;
  try {
    found = (await api(`session/${tab}`)).state;
  } catch { /* a new start is no harm */ }
  found ??= JSON.parse(localStorage.getItem("afmend-work") ?? "null");
  ready = true;
  if (found?.version !== 1 || !sound(found.work)) return null;
  restart(found.work);
  Object.assign(state.view, Object.fromEntries(Object.entries(found.view ?? {}).filter(([name]) => KEPT_VIEW.includes(name))));
  state.batch = found.batch ?? "";
  state.uploads = await stillThere(found.uploads ?? []);
  return found.doc ?? null;
}

/** What was sent is kept as long as the server runs. @param {any[]} uploads */
async function stillThere(uploads) {
  const folders = uploads.length ? (await api("browse?ref=upload")).entries.map((/** @type {any} */ one) => `${one.ref}/`) : [];
  return uploads.filter((one) => folders.some((/** @type {string} */ ref) => one.ref.startsWith(ref)));
}

/** @param {any} work */
function sound(work) {
  const known = (/** @type {any} */ recipe) => Array.isArray(recipe?.steps) && recipe.steps.every((/** @type {any} */ use) => state.steps.has(use.step));
  return Boolean(work) && known(work.common) && typeof work.own === "object" && Object.values(work.own).every(known) && typeof work.strokes === "object";
}

async function save() {
  const kept = snapshot();
  try {
    localStorage.setItem("afmend-work", JSON.stringify(kept));
  } catch { /* full or forbidden: the server has it */ }
  try {
    await api(`session/${tab}`, kept, { method: "PUT" });
    emit("saved");
  } catch { /* the banner says that the server is lost; the next change tries again */ }
}

/** @param {number} [wait] */
function soon(wait = 600) {
  if (!ready) return;
  clearTimeout(timer);
  timer = window.setTimeout(save, wait);
}

export function keepSaving() {
  on("work doc batch uploaded", () => soon());
  on("view", () => soon(1500));
  window.addEventListener("pagehide", () => {
    if (!ready) return;
    const body = JSON.stringify(snapshot());
    if (body.length < 60000) fetch(`./api/session/${tab}`, { method: "PUT", body, keepalive: true, headers: { "content-type": "application/json" } });
  });
}
