// Talking to the server: plain requests, and the loop of runs with at most one in flight.

import { state, emit, wish } from "./store.js";

export class Refused extends Error {
  /** @param {any} error @param {number} status */
  constructor(error, status) {
    super(error.what);
    this.error = error;
    this.status = status;
  }
}

/**
 * @param {string} path @param {any} [body] JSON; none = GET. @param {{method?: string, signal?: AbortSignal, raw?: boolean}} [options]
 * @returns {Promise<any>}
 */
export async function api(path, body, options = {}) {
  const method = options.method ?? (body === undefined ? "GET" : "POST");
  let answer;
  try {
    answer = await fetch(`./api/${path}`, {
      method, signal: options.signal, headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (/** @type {any} */ (error).name !== "AbortError") emit("lost");
    throw error;
  }
  emit("found");
  if (!answer.ok) throw await refusal(answer);
  return options.raw ? answer : answer.json();
}

/** @param {Response} answer */
async function refusal(answer) {
  const text = await answer.text();
  if (answer.status === 401) emit("locked");
  try {
    return new Refused(JSON.parse(text).error, answer.status);
  } catch {
    return new Refused({ what: text.trim() || `the server answered ${answer.status}`, where: "", now: "" }, answer.status);
  }
}

// ------------------------------------------------------------------ frames

/** Cuts a stream into messages; see frames.py. */
export class Messages {
  constructor() {
    /** @type {Uint8Array[]} */ this.parts = [];
    this.size = 0;
  }

  /** @param {Uint8Array} chunk @returns {{head: any, payload: ArrayBuffer}[]} */
  push(chunk) {
    this.parts.push(chunk);
    this.size += chunk.length;
    const found = [];
    for (;;) {
      if (this.size < 8) return found;
      const lengths = new DataView(this.peek(8));
      const head = lengths.getUint32(0, true);
      const payload = lengths.getUint32(4, true);
      const padded = payload + ((8 - (payload % 8)) % 8);
      if (this.size < 8 + head + padded) return found;
      const whole = this.take(8 + head + padded);
      const text = new TextDecoder().decode(new Uint8Array(whole, 8, head));
      found.push({ head: JSON.parse(text), payload: whole.slice(8 + head, 8 + head + payload) });
    }
  }

  /** @param {number} count */
  peek(count) {
    if (this.parts[0].length < count) this.parts = [this.joined()];
    return this.parts[0].slice(0, count).buffer;
  }

  /** @param {number} count */
  take(count) {
    const all = this.parts.length > 1 ? this.joined() : this.parts[0];
    const rest = all.subarray(count);
    this.parts = rest.length ? [rest] : [];
    this.size = rest.length;
    return all.slice(0, count).buffer;
  }

  joined() {
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

export const VOID = 1e38; // larger than this: no number here
const READ = { f4: Float32Array, u2: Uint16Array, u1: Uint8Array };

/** Heights as float32 around head.offset, whatever they came as. @param {any} head @param {ArrayBuffer} payload */
export function decode(head, payload) {
  const data = new READ[/** @type {"f4"|"u2"|"u1"} */ (head.dtype)](payload);
  if (head.dtype !== "u2") return data;
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = data[i] === 65535 ? 3e38 : data[i] * head.scale;
  return out;
}

// ------------------------------------------------------------------ the loop of runs

const SETTLE_MS = 150;
const PREVIEW_PX = 1024;
const loop = { busy: false, dirty: false, drag: false, rev: 0, settle: 0, began: 0, abort: new AbortController() };
export const shown = { rev: 0, full: 0 };

/** Ask for the result of what the state says now; requests that nobody saw are left out. @param {boolean} [drag] */
export function run(drag = false) {
  loop.dirty = true;
  loop.drag = drag;
  loop.rev++;
  clearTimeout(loop.settle);
  if (!loop.busy) go();
}

/** Forget what is on its way: another file is in sight. */
export function drop() {
  loop.abort.abort();
}

export const busy = () => loop.busy || loop.dirty;
export const revision = () => loop.rev;

async function go() {
  const asked = wish();
  if (!asked) return;
  loop.busy = true;
  loop.dirty = false;
  loop.abort = new AbortController();
  loop.began = performance.now();
  const rev = loop.rev;
  const grid = state.info?.grid;
  const preview = loop.drag && grid && Math.max(grid.rows, grid.cols) > PREVIEW_PX ? PREVIEW_PX : 0;
  const have = Object.fromEntries([...state.frames].map(([panel, frame]) => [panel, frame.head.key]));
  const doc = state.doc;
  emit("running", { rev });
  try {
    const answer = await api("run", { rev, wish: asked, have, preview_px: preview, sigma: state.view.sigma },
      { signal: loop.abort.signal, raw: true });
    await read(answer.body, (head, payload) => {
      if (state.doc === doc) take(head, payload, preview);
    });
  } catch (error) {
    failed(error, rev);
  }
  loop.busy = false;
  if (loop.dirty) go();
  else if (preview) loop.settle = setTimeout(() => run(false), SETTLE_MS);
}

/** @param {any} error @param {number} rev */
function failed(error, rev) {
  if (error.name === "AbortError") return;
  emit("failed", { rev, error: error.error ?? { what: "the connection to the server was lost", now: "", where: "" } });
}

/** @param {ReadableStream} body @param {(head: any, payload: ArrayBuffer) => void} each */
async function read(body, each) {
  const messages = new Messages();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const { head, payload } of messages.push(value)) each(head, payload);
  }
}

/** @param {any} head @param {ArrayBuffer} payload @param {number} preview */
function take(head, payload, preview) {
  if (head.t === "frame") {
    state.frames.set(head.panel, { head, data: decode(head, payload) });
    emit("frame", head.panel);
  } else if (head.t === "step") {
    emit("step", head);
  } else if (head.t === "error") {
    emit("failed", { rev: head.rev, error: head.error });
  } else if (head.t === "done") {
    state.last = head;
    shown.rev = head.rev;
    if (!preview) shown.full = head.rev;
    emit("done", { ...head, total_ms: performance.now() - loop.began });
  }
}
