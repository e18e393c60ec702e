// Talking to the server: plain requests, and the loop of runs with at most one in flight.

import { learned, partFor, patched } from "./parts.js";
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

/** Cuts a stream into messages; see frames.py. Every byte of a payload is copied once, into an array of its own. */
export class Messages {
  constructor() {
    /** @type {Uint8Array<ArrayBufferLike>} */ this.room = new Uint8Array(8);
    /** @type {"lengths"|"head"|"payload"} */ this.part = "lengths";
    this.filled = 0;
    /** @type {any} */ this.head = null;
    this.payload = 0;
  }

  /** What comes next. @param {Uint8Array} room @param {"lengths"|"head"|"payload"} part */
  want(room, part) {
    this.room = room;
    this.part = part;
    this.filled = 0;
  }

  /** @param {Uint8Array} chunk @returns {{head: any, payload: ArrayBuffer}[]} */
  push(chunk) {
    /** @type {{head: any, payload: ArrayBuffer}[]} */
    const found = [];
    for (let at = 0; at < chunk.length;) {
      const some = Math.min(this.room.length - this.filled, chunk.length - at);
      this.room.set(chunk.subarray(at, at + some), this.filled);
      this.filled += some;
      at += some;
      while (this.filled === this.room.length) if (this.next(found)) break;
    }
    return found;
  }

  /** A part is whole. @param {{head: any, payload: ArrayBuffer}[]} found @returns {boolean} Whether a message is. */
  next(found) {
    const { buffer } = this.room;
    if (this.part === "lengths") {
      const lengths = new DataView(buffer);
      this.payload = lengths.getUint32(4, true);
      this.want(new Uint8Array(lengths.getUint32(0, true)), "head");
      return false;
    }
    if (this.part === "head") {
      this.head = JSON.parse(new TextDecoder().decode(this.room));
      this.want(new Uint8Array(this.payload + ((8 - (this.payload % 8)) % 8)), "payload");
      return false;
    }
    const whole = /** @type {ArrayBuffer} */ (buffer);
    found.push({ head: this.head, payload: this.payload === whole.byteLength ? whole : whole.slice(0, this.payload) });
    this.want(new Uint8Array(8), "lengths");
    return true;
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
const loop = { busy: false, dirty: false, drag: false, rev: 0, settle: 0, began: 0, abort: new AbortController(), /** @type {number[]|null} */ part: null };
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
  loop.dirty = false;
  if (!asked) return;
  loop.busy = true;
  loop.abort = new AbortController();
  loop.began = performance.now();
  const rev = loop.rev;
  const grid = state.info?.grid;
  const preview = (loop.drag || !state.last) && grid && Math.max(grid.rows, grid.cols) > PREVIEW_PX ? PREVIEW_PX : 0;
  const have = Object.fromEntries([...state.frames].map(([panel, frame]) => [panel, frame.head.key]));
  const doc = state.doc;
  const part = preview ? {} : partFor(asked, loop.drag);
  loop.part = null;
  emit("running", { rev });
  try {
    const answer = await api("run", { rev, wish: asked, have, preview_px: preview, sigma: state.view.sigma, ...part },
      { signal: loop.abort.signal, raw: true });
    await read(answer.body, (head, payload) => {
      if (state.doc === doc) take(head, payload, preview, asked);
    });
  } catch (error) {
    failed(error, rev);
  }
  loop.busy = false;
  if (loop.dirty) go();
  else if (shown.rev === rev && shown.full !== rev) loop.settle = setTimeout(() => run(false), loop.drag ? SETTLE_MS : 0);
  else emit("idle");
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

/** @param {any} head @param {ArrayBuffer} payload @param {number} preview @param {any} asked */
function take(head, payload, preview, asked) {
  if (head.t === "frame") {
    const data = decode(head, payload);
    const found = loop.part ? patched(state.frames.get(head.panel), head, data, loop.part, head.rev ?? loop.rev) : { head, data };
    if (!found) return;
    state.frames.set(head.panel, found);
    emit("frame", head.panel);
  } else if (head.t === "alias") {
    const other = state.frames.get(head.of);
    if (!other) return;
    state.frames.set(head.panel, { head: { ...other.head, panel: head.panel, key: head.key }, data: other.data });
    emit("frame", head.panel);
  } else if (head.t === "part") {
    loop.part = head.box;
  } else if (head.t === "part_end") {
    loop.part = null;
    emit("parted");
  } else if (head.t === "part_done") {
    shown.rev = head.rev;
  } else if (head.t === "step") {
    emit("step", head);
  } else if (head.t === "error") {
    emit("failed", { rev: head.rev, error: head.error });
  } else if (head.t === "done") {
    state.last = head;
    learned(asked, head);
    shown.rev = head.rev;
    if (!preview) shown.full = head.rev;
    emit("done", { ...head, total_ms: performance.now() - loop.began });
  }
}
