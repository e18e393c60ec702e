// The left side: the folder, uploads, thumbnails, one file after the other.

import { byId, fill, h, say, sentence, write } from "./dom.js";
import { brief, keepOnly, later, saidOf } from "./gate.js";
import { api, busy, drop, run } from "./net.js";
import { quantity } from "./numbers.js";
import { limits, steady } from "./scene.js";
import { emit, on, state } from "./store.js";

/** @type {{ref: string, name: string, folder: boolean, size: number}[]} */
let entries = [];
/** @type {Map<string, any>} */
const thumbs = new Map();
/** @type {Set<string>} */
export const chosen = new Set();
let opening = 0;
/** @type {string[]} */
const waiting = [];
let drawing = 0;

/** @type {IntersectionObserver} */
let watcher;

export function makeFiles() {
  watcher = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) want(/** @type {HTMLElement} */ (one.target).dataset.ref ?? "");
  }, { root: byId("file-list"), rootMargin: "200px" });
  const picker = byId("upload-file");
  byId("upload").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => { upload([...picker.files]); picker.value = ""; });
  byId("filter").addEventListener("input", list);
  byId("file-list").addEventListener("keydown", upAndDown);
  byId("choose-all").addEventListener("change", () => {
    for (const file of files()) if (byId("choose-all").checked) chosen.add(file.ref); else chosen.delete(file.ref);
    list();
  });
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => dropped(/** @type {DragEvent} */ (event)));
  on("verdict", (/** @type {string} */ ref) => badge(ref));
  on("gated", (/** @type {string} */ ref) => { for (const row of byId("file-list").children) if (row.dataset.ref && (!ref || row.dataset.ref === ref)) verdict(row, row.dataset.ref); });
  byId("sample").addEventListener("click", sample);
  byId("play").addEventListener("click", () => play());
  on("idle", () => { if (playing) play(true); });
  on("work", () => steady.clear());
  on("view", (/** @type {any} */ changes) => { if (["range", "flat", "lock", "diff", "steady"].some((name) => name in changes)) steady.clear(); });
}

/** Files that the filter lets through, in the order of the list. */
export function files() {
  const wanted = byId("filter").value.toLowerCase();
  return [...state.uploads, ...entries].filter((one) => !one.folder && one.name.toLowerCase().includes(wanted));
}

/** @param {string} ref */
export async function browse(ref) {
  try {
    const found = await api(`browse?ref=${encodeURIComponent(ref)}`);
    state.place = found.ref;
    emit("place");
    entries = found.entries;
    if (found.cut) say("The folder holds more than 5000 entries; the first are shown.", "bad");
    list();
    return true;
  } catch (error) {
    say(sentence(/** @type {any} */ (error).error) || "The folder cannot be listed.", "bad");
    return false;
  }
}

function list() {
  const box = byId("file-list");
  const { place } = state;
  const held = box.contains(document.activeElement) ? document.activeElement?.closest("li")?.dataset.ref ?? "" : null;
  watcher.disconnect();
  const wanted = byId("filter").value.toLowerCase();
  const folders = entries.filter((one) => one.folder && one.name.toLowerCase().includes(wanted));
  const rows = [];
  if (place !== "root") rows.push(folderRow({ ref: place.slice(0, place.lastIndexOf("/")), name: "… one folder up" }));
  rows.push(...folders.map(folderRow), ...files().map(fileRow));
  if (!rows.length) rows.push(h("li", { class: "dim", text: "No files here. Drop scans anywhere on the page." }));
  fill(box, ...rows);
  if (held !== null) (rowOf(held) ?? box).querySelector("button")?.focus(); // entering a folder takes nobody's place away
  keepOnly((ref) => rowOf(ref) !== null);
  for (const row of box.querySelectorAll("[data-ref]")) watcher.observe(row);
  byId("place").textContent = placeName();
  counts();
}

/** The open folder, as people call it. */
export const placeName = () => (state.place === "root" ? state.schema?.root ?? "" : decoded(state.place.slice(5)));

/** The arrow keys go from row to row. @param {KeyboardEvent} event */
function upAndDown(event) {
  const side = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
  if (!side) return;
  event.preventDefault();
  const row = /** @type {any} */ (event.target).closest("li");
  row?.[side]?.querySelector("button")?.focus();
}

function counts() {
  const all = files();
  const picked = all.filter((one) => chosen.has(one.ref)).length;
  byId("choose-all").checked = picked > 0 && picked === all.length;
  byId("choose-all").indeterminate = picked > 0 && picked < all.length;
  byId("batch").textContent = picked ? `Mend ${picked} …` : "Mend all …";
}

/** @param {{ref: string, name: string}} one */
function folderRow(one) {
  return h("li", { class: "folder" }, h("button", { class: "quiet", onclick: () => browse(one.ref) }, `▸ ${one.name}`));
}

/** @param {{ref: string, name: string, size: number}} one */
function fileRow(one) {
  const box = h("input", { type: "checkbox", checked: chosen.has(one.ref), "aria-label": `Choose ${one.name}`, onchange: () => { if (box.checked) chosen.add(one.ref); else chosen.delete(one.ref); counts(); } });
  const row = h("li", { class: "file", data: { ref: one.ref } }, box,
    h("button", { class: "quiet open", title: one.name, onclick: () => openFile(one.ref, one.name) },
      h("span", { class: "thumb" }), h("span", { class: "words" }, h("span", { class: "name", text: one.name }), h("span", { class: "facts dim" }), h("span", { class: "badge" }), h("span", { class: "gate dim" }))));
  row.classList.toggle("current", state.doc?.ref === one.ref);
  show(row, one.ref);
  return row;
}

/** @param {string} ref @returns {HTMLElement|null} */
const rowOf = (ref) => [...byId("file-list").children].find((row) => row.dataset.ref === ref) ?? null;

/** Put thumbnail and verdict into a row. @param {HTMLElement} row @param {string} ref */
function show(row, ref) {
  const found = thumbs.get(ref);
  const thumb = /** @type {HTMLElement} */ (row.querySelector(".thumb"));
  const facts = /** @type {HTMLElement} */ (row.querySelector(".facts"));
  if (found?.error) {
    facts.textContent = found.error;
    facts.title = found.error;
    row.classList.add("unreadable");
    thumb.textContent = "✗";
  } else if (found) {
    if (!thumb.firstChild) thumb.append(h("img", { src: found.url, alt: "" }));
    const size = found.calibrated ? quantity(Math.max(...found.size_nm), "nm") : "uncalibrated";
    facts.textContent = `${found.cols}\u00a0×\u00a0${found.rows}, ${size.replace(" ", "\u00a0")}${found.count > 1 ? `, ${found.count}\u00a0frames` : ""}`;
  }
  verdict(row, ref);
}

/** @param {HTMLElement} row @param {string} ref */
function verdict(row, ref) {
  const found = state.verdicts[ref];
  const cell = /** @type {HTMLElement} */ (row.querySelector(".badge"));
  write(cell, found && !(found.kind === "error" && row.classList.contains("unreadable")) ? found.text : "");
  cell.className = `badge ${found?.kind ?? ""}`;
  const gate = /** @type {HTMLElement} */ (row.querySelector(".gate"));
  const said = brief(state.view.gate ? saidOf(ref) : undefined);
  write(gate, said.text);
  gate.title = said.title;
}

/** @param {string} ref */
function badge(ref) {
  const row = rowOf(ref);
  if (row) verdict(row, ref);
}

/** Thumbnails come one after the other, the last wanted first. @param {string} ref */
function want(ref) {
  if (!rowOf(ref) || thumbs.has(ref) || waiting.includes(ref)) return;
  waiting.push(ref);
  if (drawing < 1) next();
}

async function next() {
  const ref = waiting.shift();
  if (ref === undefined) return;
  drawing++;
  try {
    const found = await api(`thumb?ref=${encodeURIComponent(ref)}`);
    const bytes = new Uint8Array(found.png.match(/../g).map((/** @type {string} */ pair) => parseInt(pair, 16)));
    thumbs.set(ref, { ...found, url: URL.createObjectURL(new Blob([bytes], { type: "image/png" })) });
  } catch (error) {
    const refused = /** @type {any} */ (error).error;
    thumbs.set(ref, { error: refused ? sentence({ ...refused, where: "" }) : "not reached" }); // the row names the file
  }
  drawing--;
  const row = rowOf(ref);
  if (row) show(row, ref);
  if (row && !thumbs.get(ref)?.error) later(ref);
  next();
}

// ------------------------------------------------------------------ opening

/** @param {string} ref @param {string} name @param {{frame?: number, channel?: string|null, restored?: boolean}} [how] */
export async function openFile(ref, name, how = {}) {
  const mine = ++opening;
  const other = state.doc?.ref !== ref;
  try {
    const info = await api("info", { ref, frame: how.frame ?? 0 });
    if (mine !== opening) return;
    drop(); // only now: a file that cannot be read leaves the present one at work
    const channel = how.channel && info.channels.some((/** @type {any} */ one) => one.key === how.channel) ? how.channel : info.main;
    const same = state.view.steady && state.doc?.channel === channel;
    state.doc = { ref, name, frame: info.frame, channel };
    state.info = info;
    byId("empty").hidden = true;
    state.frames.clear();
    state.last = null;
    if (other || !same) {
      steady.clear();
      state.view.limits = { before: null, after: null, diff: null };
    }
    if (other) {
      Object.assign(state.view, { k: 1, cx: 0.5, cy: 0.5, gateMap: false });
      state.line = null;
      state.areas = [];
    }
    emit("doc");
    if (thumbs.get(ref)?.error) thumbs.delete(ref);
    want(ref);
    for (const row of byId("file-list").children) row.classList.toggle("current", row.dataset.ref === ref);
    rowOf(ref)?.scrollIntoView({ block: "nearest" });
    run();
  } catch (error) {
    if (mine !== opening) return;
    if (how.restored && ref.startsWith("upload/")) {
      say(`${name} had been sent from your computer: add it again to go on with it.`);
      return;
    }
    const refused = /** @type {any} */ (error).error;
    if (other) {
      thumbs.set(ref, { error: refused ? sentence({ ...refused, where: "" }) : "not reached" }); // the row names the file
      const row = rowOf(ref);
      if (row) show(row, ref);
    } else if (state.doc) { // the frame that is in sight stays the frame at work
      state.doc.frame = state.info.frame;
      emit("framed");
      run();
    }
    say(refused ? sentence(refused) : "The server cannot be reached.", "bad");
  }
}

/** Show another frame of a movie. @param {number} frame */
export function showFrame(frame) {
  const { doc, info } = state;
  if (!doc || !info || frame < 0 || frame >= info.count || frame === doc.frame) return;
  if (state.view.steady && state.frames.has("mended") && !steady.size) for (const group of ["before", "fill", "after", "diff"]) steady.set(group, limits(group));
  doc.frame = frame; // at once, so that a drag of the slider skips frames instead of queueing them
  openFile(doc.ref, doc.name, { frame, channel: doc.channel });
}

let playing = 0;

/** Show the frames one after the other, or stop. @param {boolean} [go] */
export function play(go = !playing) {
  clearTimeout(playing);
  playing = 0;
  const { doc, info } = state;
  if (go && doc && info?.count > 1) {
    playing = window.setTimeout(() => { if (!busy()) showFrame((doc.frame + 1) % info.count); }, 100);
  }
  write(byId("play"), playing ? "❚❚" : "▶");
}

/** @param {number} by */
export function neighbor(by) {
  const all = files();
  if (!all.length) return;
  const at = all.findIndex((one) => one.ref === state.doc?.ref);
  const one = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (one.ref !== state.doc?.ref) openFile(one.ref, one.name);
}

// ------------------------------------------------------------------ uploads

/** @param {DragEvent} event */
async function dropped(event) {
  if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
  event.preventDefault();
  document.body.classList.toggle("dropping", event.type === "dragover");
  if (event.type !== "drop") return;
  const items = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = [...(event.dataTransfer?.files ?? [])];
  upload(items.length ? (await Promise.all(items.map(inside))).flat() : loose);
}

/** All files of a dropped file or folder. @param {any} entry @returns {Promise<File[]>} */
async function inside(entry) {
  if (entry.isFile) return [await new Promise((good, bad) => entry.file(good, bad))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.filter((one) => !one.name.startsWith(".")).map(inside))).flat();
}

/** Send files, one after the other; the first one opens. @param {File[]} sent */
export async function upload(sent) {
  let first = true;
  /** @type {string[]} */
  const refused = [];
  for (const [i, file] of sent.entries()) {
    say(`Sending ${i + 1} of ${sent.length}: ${file.name}`);
    try {
      const answer = await fetch("./api/upload", { method: "POST", body: file, headers: { "x-name": encodeURIComponent(file.name), "content-type": "application/octet-stream" } });
      const made = await answer.json();
      if (!answer.ok) throw Object.assign(new Error(), { error: made.error });
      add(made, file.size);
      if (first) openFile(made.ref, made.name);
      first = false;
    } catch (error) {
      refused.push(`${file.name.slice(0, 60)}: ${sentence(/** @type {any} */ (error).error) || "could not be sent"}`);
    }
  }
  if (refused.length) say(`${sent.length - refused.length} of ${sent.length} sent. ${refused[0]}`, "bad");
  else if (sent.length) say(`${sent.length} sent.`);
}

/** Put a file that was sent into the list; sent again, it is the same file. @param {{ref: string, name: string}} made @param {number} size */
function add({ ref, name }, size) {
  if (state.uploads.some((one) => one.ref === ref)) return;
  state.uploads.push({ ref, name, folder: false, size });
  emit("uploaded");
  listing ||= window.setTimeout(() => { listing = 0; list(); }, 100);
}

let listing = 0;

/** A simulated scan to try things on. */
export async function sample() {
  say("Simulating a scan …");
  emit("waiting", "simulating the sample scan (the first time, loops are compiled: up to a minute) …");
  const made = await api("sample", {});
  add(made, 0);
  openFile(made.ref, made.name);
}

/** Names of files that a session knew, for the list. @param {string} ref */
export const nameOf = (ref) => [...state.uploads, ...entries].find((one) => one.ref === ref)?.name ?? decoded(ref.split("/").pop() ?? "");

/** What a reference says; bytes that are no UTF-8 become a sign that says so. @param {string} text */
export function decoded(text) {
  const bytes = (/** @type {string} */ run_) => Uint8Array.from(run_.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));
  return text.replace(/(%[0-9a-f]{2})+/gi, (found) => new TextDecoder().decode(bytes(found)));
}
