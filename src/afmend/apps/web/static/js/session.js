// Autosave: the work of this tab goes to the server shortly after each change, and into the browser as well.

import { say, sentence } from "./dom.js";
import { api } from "./net.js";
import { emit, on, restart, state } from "./store.js";

const KEPT_VIEW = ["layout", "solo", "cmap", "flat", "range", "lock", "steady", "overlays", "invented", "sigma", "physical", "diff", "dock", "theme", "layer", "brush", "shortcuts", "turn", "tilt", "z", "gate", "dockHeight", "keys", "painter"];
const MOST_LAST_BYTES = 60000; // browsers send no more from a page that goes
let timer = 0;
let tab = "";
let count = 0;
let ready = false;
let saving = false;
let again = false;
let refused = false;

/** Name this tab as before a reload; a copy of a tab gets a name of its own. @returns {Promise<string>} The name whose work it shows. */
async function tabName() {
  const was = sessionStorage.getItem("afmend-tab") ?? "";
  tab = /^[0-9a-f]{16}$/.test(was) && await mine(was) ? was : newName();
  sessionStorage.setItem("afmend-tab", tab);
  if (tab !== was) await mine(tab);
  return /^[0-9a-f]{16}$/.test(was) ? was : tab;
}

const newName = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Take a name for as long as this tab lives; say whether no other one has it. @param {string} name @returns {Promise<boolean>} */
function mine(name) {
  if (!navigator.locks) return Promise.resolve(true); // not at every address: then copies share a session
  return new Promise((good) => {
    navigator.locks.request(`afmend-${name}`, { ifAvailable: true }, (lock) => {
      good(lock !== null);
      return lock ? new Promise(() => {}) : null;
    }).catch(() => good(true));
  });
}

/** What is kept. */
export function snapshot() {
  const { doc, work, view, batch, uploads, place } = state;
  return { version: 1, tab, count: ++count, root: state.schema?.root, doc, work, batch, uploads, place, view: Object.fromEntries(KEPT_VIEW.map((name) => [name, view[/** @type {keyof typeof view} */ (name)]])) };
}

/** Bring back what this tab, or the last one, worked on. */
export async function restore() {
  const was = await tabName();
  const [far, near] = [await ofServer(was), ofBrowser()];
  const found = newer(was, state.schema?.root, far, near);
  count = Math.max(far?.count ?? 0, near?.count ?? 0);
  ready = true;
  if (found?.version !== 1 || !sound(found.work)) return null;
  restart(found.work);
  Object.assign(state.view, Object.fromEntries(Object.entries(found.view ?? {}).filter(([name]) => KEPT_VIEW.includes(name))));
  state.batch = found.batch ?? "";
  state.place = found.place ?? "root";
  state.uploads = await stillThere(found.uploads ?? []);
  return found.doc ?? null;
}

/** The later one of what the server and the browser kept. @param {string} name @param {string} root @param {any} far @param {any} near */
export function newer(name, root, far, near) {
  const here = near?.root === root ? near : null;
  if (!far) return here;
  return here?.tab === name && (far.tab !== name || here.count > far.count) ? here : far;
}

/** @param {string} name */
async function ofServer(name) {
  try {
    return (await api(`session/${name}`)).state;
  } catch {
    return null; // a new start is no harm
  }
}

function ofBrowser() {
  try {
    return JSON.parse(localStorage.getItem("afmend-work") ?? "null");
  } catch {
    return null;
  }
}

/** @param {any} kept */
function keepHere(kept) {
  try {
    localStorage.setItem("afmend-work", JSON.stringify(kept));
  } catch { /* full or forbidden: the server has it */ }
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

/** One after the other, so that the last one stays. */
async function save() {
  again = saving;
  if (saving) return;
  saving = true;
  const kept = snapshot();
  keepHere(kept);
  try {
    await api(`session/${tab}`, kept, { method: "PUT" });
    refused = false;
    emit("saved");
  } catch (error) { // the banner says that the server is lost; the next change tries again
    const said = /** @type {any} */ (error).error;
    if (said && !refused) say(`This work is not kept for a reload: ${sentence(said)} Save the recipe.`, "bad");
    refused = Boolean(said);
  }
  saving = false;
  if (again) save();
}

/** @param {number} [wait] */
function soon(wait = 600) {
  if (!ready) return;
  clearTimeout(timer);
  timer = window.setTimeout(save, wait);
}

export function keepSaving() {
  on("work doc batch uploaded place", () => soon());
  on("view", () => soon(1500));
  window.addEventListener("pagehide", () => {
    if (!ready) return;
    const kept = snapshot();
    const body = new Blob([JSON.stringify(kept)]);
    keepHere(kept);
    if (body.size < MOST_LAST_BYTES) fetch(`./api/session/${tab}`, { method: "PUT", body, keepalive: true, headers: { "content-type": "application/json" } });
  });
}
