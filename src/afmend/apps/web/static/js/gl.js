// Maps drawn with WebGL2: one canvas behind all panels, each panel a piece of it.

import { byId } from "./dom.js";
import { factorFor, pooled } from "./pool.js";

const MOST_LEVELS = 4;
const CORNERS = `#version 300 es
void main() {
  vec2 corner = vec2(float((gl_VertexID << 1) & 2), float(gl_VertexID & 2));
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

/** Whether a graphics card draws, or a program that stands in for it. Without WebGL: undefined. @returns {boolean|undefined} */
export function hasCard() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return undefined;
  const facts = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(facts ? facts.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render|warp/i.test(name);
}

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.kind = "WebGL";
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, depth: false, preserveDrawingBuffer: true, powerPreference: "low-power" });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    this.map = program(gl, CORNERS, byId("map-program").content.textContent);
    this.none = gl.createVertexArray();
    /** @type {Map<string, any>} */ this.frames = new Map();
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.blank = upload(gl, null, { width: 1, height: 1, data: new Float32Array(1), kind: "f4" });
    this.noMarks = upload(gl, null, { width: 1, height: 1, data: new Uint8Array(1), kind: "u1" });
    this.lut = upload(gl, null, { width: 256, height: 1, data: new Uint8Array(1024), kind: "rgba" });
    this.lutName = "";
  }

  /** @param {number} width @param {number} height @param {number} dpr */
  resize(width, height, dpr) {
    this.dpr = dpr;
    const [w, h] = [Math.max(1, Math.round(width * dpr)), Math.max(1, Math.round(height * dpr))];
    if (this.canvas.width !== w) this.canvas.width = w;
    if (this.canvas.height !== h) this.canvas.height = h;
  }

  /** One color everywhere. @param {number[]} paper */
  wipe(paper) {
    this.gl.disable(this.gl.SCISSOR_TEST);
    this.gl.clearColor(paper[0], paper[1], paper[2], 1);
    this.gl.clear(this.gl.COLOR_BUFFER_BIT);
  }

  /** Take over a frame's numbers; they are uploaded when something is drawn from them, as fine as the screen needs. @param {string} name @param {any} frame */
  setFrame(name, frame) {
    const old = this.frames.get(name);
    this.frames.set(name, { frame, levels: old?.levels ?? new Map() });
  }

  /** A frame pooled by a factor, computed once. @param {string} name @param {number} factor @returns {any} */
  level(name, factor) {
    const { frame, levels } = this.frames.get(name);
    let level = levels.get(factor);
    if (level?.frame === frame) return level;
    if (!level && levels.size >= MOST_LEVELS) {
      const [oldest, { texture }] = levels.entries().next().value;
      this.gl.deleteTexture(texture?.texture ?? null);
      levels.delete(oldest);
    }
    level = { ...pooled(frame, factor), frame, texture: level?.texture ?? null, sent: false };
    levels.delete(factor);
    levels.set(factor, level);
    return level;
  }

  /** The texture of a frame for a scale. @param {string} name @param {number} scale Pixels of the screen per pixel of the scan. */
  pick(name, scale) {
    const kept = this.frames.get(name);
    if (!kept) return undefined;
    const { head } = kept.frame;
    const ratio = [head.shape[1] / head.full[1], head.shape[0] / head.full[0]];
    const level = this.level(name, factorFor(scale / Math.max(...ratio)));
    if (!level.sent) {
      level.texture = upload(this.gl, level.texture, { width: level.cols, height: level.rows, data: level.data, kind: head.dtype === "u1" ? "u1" : "f4" });
      level.sent = true;
    }
    return { ...level.texture, ratio: ratio.map((one) => one / level.factor) };
  }

  /** Forget all frames. */
  clear() {
    for (const { levels } of this.frames.values()) for (const { texture } of levels.values()) if (texture) this.gl.deleteTexture(texture.texture);
    this.frames.clear();
  }

  /** @param {string} name @param {Uint8Array} table 256 x 3 */
  useMap(name, table) {
    if (this.lutName === name) return;
    const data = new Uint8Array(1024);
    for (let i = 0; i < 256; i++) data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
    upload(this.gl, this.lut, { width: 256, height: 1, data, kind: "rgba" });
    this.lutName = name;
  }

  /** A piece of the canvas, in its own pixels from below. @param {any} box */
  piece(box) {
    const d = this.dpr ?? 1;
    const x = Math.round(box.x * d);
    const top = Math.round(box.y * d);
    const width = Math.round((box.x + box.width) * d) - x;
    const height = Math.round((box.y + box.height) * d) - top;
    return [x, this.canvas.height - top - height, width, height];
  }

  /**
   * Draw a map. `spec`: box, heights, minus, marks (panel names), table, center, scale (CSS px per pixel: x, y), full,
   * plane, range (low, high relative to the frame's offset), mode (1 = marks, 2 = what was filled, 3 = difference, 4 = error bars), colors, paper, split (CSS px left untouched).
   * @param {any} spec
   */
  drawMap(spec) {
    const gl = this.gl;
    const coarse = Math.min(spec.scale[0], spec.scale[1]) * (this.dpr ?? 1);
    const [texture, minus, marks_] = [spec.heights, spec.minus, spec.marks].map((name) => this.pick(name, coarse)); // all uploads before anything is bound
    const [x, y, width, height] = this.piece(spec.box);
    if (width <= 0 || height <= 0) return;
    this.useMap(spec.map, spec.table);
    gl.viewport(x, y, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(x, y, width, height);
    if (!texture) {
      gl.clearColor(spec.paper[0], spec.paper[1], spec.paper[2], 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      return;
    }
    const { at } = use(gl, this.map);
    const d = this.dpr ?? 1;
    bind(gl, 0, texture, at("heights"));
    bind(gl, 1, minus ?? this.blank, at("minus"));
    const marks = marks_ ?? this.noMarks;
    bind(gl, 2, marks, at("marks"));
    gl.uniform4fv(at("ratios"), [...texture.ratio, ...(marks.ratio ?? [1, 1])]);
    bind(gl, 3, this.lut, at("lut"));
    gl.uniform4f(at("viewport"), x, y, width, height);
    gl.uniform2f(at("center"), spec.center[0], spec.center[1]);
    gl.uniform2f(at("scale"), spec.scale[0] * d, spec.scale[1] * d);
    gl.uniform2f(at("full"), spec.full[1], spec.full[0]);
    gl.uniform3f(at("plane"), spec.plane[0], spec.plane[1], spec.plane[2]);
    gl.uniform4f(at("range"), spec.range[0], 1 / (spec.range[1] - spec.range[0]), 0, 0);
    gl.uniform4fv(at("colors"), spec.colors);
    gl.uniform1i(at("mode"), spec.mode);
    gl.uniform1f(at("dpr"), d);
    gl.uniform1f(at("split"), (spec.split ?? 0) * d);
    gl.uniform4f(at("paper"), spec.paper[0], spec.paper[1], spec.paper[2], 1);
    gl.bindVertexArray(this.none);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** What a panel looks like, and where in that. @param {any} box @returns {[HTMLCanvasElement, number, number, number, number]} */
  picture(box) {
    const d = this.dpr ?? 1;
    return [this.canvas, box.x * d, box.y * d, box.width * d, box.height * d];
  }

  /** Color at a place of the whole canvas, in CSS pixels. @param {number} x @param {number} y */
  pixel(x, y) {
    const d = this.dpr ?? 1;
    const out = new Uint8Array(4);
    this.gl.readPixels(Math.floor(x * d), this.canvas.height - 1 - Math.floor(y * d), 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, out);
    return [...out];
  }
}

const FORMATS = { f4: ["R32F", "RED", "FLOAT"], u1: ["R8UI", "RED_INTEGER", "UNSIGNED_BYTE"], rgba: ["RGBA8", "RGBA", "UNSIGNED_BYTE"] };

/** @param {any} gl @param {any} old @param {{width: number, height: number, data: any, kind: "f4"|"u1"|"rgba"}} image */
function upload(gl, old, image) {
  const same = old && old.width === image.width && old.height === image.height && old.kind === image.kind;
  const made = same ? old : { texture: old?.texture ?? gl.createTexture(), width: image.width, height: image.height, kind: image.kind };
  const [inner, format, type] = FORMATS[image.kind].map((name) => gl[name]);
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, made.texture);
  if (same) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, image.width, image.height, format, type, image.data);
  else {
    gl.texImage2D(gl.TEXTURE_2D, 0, inner, image.width, image.height, 0, format, type, image.data);
    for (const side of ["MIN", "MAG"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_${side}_FILTER`], gl.NEAREST);
    for (const side of ["S", "T"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_WRAP_${side}`], gl.CLAMP_TO_EDGE);
  }
  return made;
}

/** @param {any} gl @param {number} unit @param {any} texture @param {any} where */
function bind(gl, unit, texture, where) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, texture.texture);
  gl.uniform1i(where, unit);
}

/** @param {any} gl @param {any} made */
function use(gl, made) {
  gl.useProgram(made.program);
  return { at: (/** @type {string} */ name) => {
    if (!made.places.has(name)) made.places.set(name, gl.getUniformLocation(made.program, name));
    return made.places.get(name);
  } };
}

/** @param {any} gl @param {string} vertex @param {string} fragment */
function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  return { program: made, places: new Map() };
}
