// Drawing by the processor: surfaces, and maps where there is no graphics card or no WebGL.

import { factorFor, pooled } from "./pool.js";
import { axis, drawRelief, heightsOf, lit, marksOf, packed, paint } from "./raster.js";
import { filledOf, meshOf, meshSide } from "./surface.js";

export class FlatPainter {
  constructor() {
    this.kind = "plain";
    /** @type {Map<string, {frame: any, levels: Map<number, any>}>} */ this.frames = new Map();
    /** What was made of frames, by what for; one of a kind. @type {Map<string, {key: string, made: any}>} */ this.kept = new Map();
  }

  resize() {} // each panel has a canvas of its own, so that only what changes is painted again

  wipe() {}

  /** @param {string} name @param {any} frame */
  setFrame(name, frame) {
    this.frames.set(name, { frame, levels: new Map() });
  }

  clear() {
    this.frames.clear();
    this.kept.clear();
  }

  /** A frame pooled for a scale. @param {string} name @param {number} scale Pixels of the screen per pixel of the frame. @returns {any} */
  level(name, scale) {
    const { frame, levels } = /** @type {any} */ (this.frames.get(name));
    const factor = factorFor(scale);
    if (!levels.has(factor)) levels.set(factor, pooled(frame, factor));
    return levels.get(factor);
  }

  /** What was made last for this, if it still holds. @param {string} what @param {any[]} of @param {() => any} make */
  once(what, of, make) {
    const key = JSON.stringify(of);
    const old = this.kept.get(what);
    if (old?.key === key) return old.made;
    const made = make();
    this.kept.set(what, { key, made });
    return made;
  }

  /** A frame as the screen needs it. @param {any} spec @param {string} name */
  sampled(spec, name) {
    const kept = this.frames.get(name);
    if (!kept) return null;
    const { head } = kept.frame;
    const { box, scale, center, full, mode } = spec;
    return this.once(`${box.x},${box.y},${name}`, [head.key, box, scale, center, mode], () => {
      const level = this.level(name, Math.min((scale[0] * head.full[1]) / head.shape[1], (scale[1] * head.full[0]) / head.shape[0]));
      const ratio = [head.shape[0] / head.full[0] / level.factor, head.shape[1] / head.full[1] / level.factor];
      const rows = axis(Math.round(box.height), scale[1], center[1], full[0], level.rows, ratio[0]);
      const cols = axis(Math.round(box.width), scale[0], center[0], full[1], level.cols, ratio[1]);
      return { rows, cols, data: head.dtype === "u1" ? marksOf(level.data, level.cols, rows, cols, mode !== 1) : heightsOf(level.data, level.cols, rows, cols) };
    });
  }

  /** @param {any} spec See gl.js. */
  drawMap(spec) {
    const split = Math.round(spec.split ?? 0);
    const [width, height] = [Math.round(spec.box.width), Math.round(spec.box.height)];
    if (width <= 0 || height <= 0) return;
    const { image, pixels } = this.paper(spec, width, height);
    const heights = this.sampled(spec, spec.heights);
    if (heights) {
      const minus = spec.mode === 3 ? this.sampled(spec, spec.minus) : null;
      const values = minus ? heights.data.map((/** @type {number} */ v, /** @type {number} */ i) => (Math.abs(v) < 1e37 && minus.data[i] < 1e37 ? v - minus.data[i] : v)) : heights.data;
      const marks = spec.mode % 3 ? this.sampled(spec, spec.marks) : null;
      paint(pixels, values, marks?.data ?? null, heights.rows, heights.cols, spec);
    }
    put(spec.box, image, split);
  }

  /** Empty paper, used again. @param {any} spec @param {number} width @param {number} height @returns {{image: ImageData, pixels: Uint32Array}} */
  paper(spec, width, height) {
    const found = this.once(`paper ${spec.box.x},${spec.box.y}`, [width, height], () => {
      const image = new ImageData(width, height);
      return { image, pixels: new Uint32Array(image.data.buffer) };
    });
    found.pixels.fill(packed(spec.paper.map((/** @type {number} */ v) => 255 * v)));
    return found;
  }

  /** `spec`: box, heights, frame, table, plane, range, relief, turn, tilt, sides (x, y in nm), paper. @param {any} spec */
  drawSurface(spec) {
    const { box, frame, heights, plane, range, relief, sides } = spec;
    const [width, height] = [Math.round(box.width), Math.round(box.height)];
    if (width <= 0 || height <= 0) return;
    const { image, pixels } = this.paper(spec, width, height);
    if (frame) {
      const side = meshSide(width);
      const mesh = this.once(`mesh ${heights}`, [frame.head.key, plane, side], () => {
        const small = this.level(heights, (1.5 * side) / Math.max(...frame.head.shape));
        return meshOf({ head: { ...frame.head, shape: [small.rows, small.cols] }, data: small.data }, plane, side);
      });
      const points = this.once(`lit ${heights}`, [frame.head.key, plane, side, range, relief, sides], () => lit(mesh, spec));
      const tint = spec.marksFrame && this.frames.has("flags") && this.once("tint", [spec.marksFrame.head.key, side], () => filledOf(this.level("flags", (1.5 * side) / Math.max(...spec.marksFrame.head.shape)), mesh));
      drawRelief(pixels, width, height, { points, rows: mesh.rows, cols: mesh.cols, tint }, spec);
    }
    put(box, image, 0);
  }

  /** Color at a place of the stage. @param {number} x @param {number} y @param {any} box Of the panel there. */
  pixel(x, y, box) {
    return [...penOf(box.canvas).getImageData(Math.floor(x - box.x), Math.floor(y - box.y), 1, 1).data];
  }

  /** What a panel looks like, and where in that. @param {any} box @returns {[HTMLCanvasElement, number, number, number, number]} */
  picture({ canvas }) {
    return [canvas, 0, 0, canvas.width, canvas.height];
  }
}

/** @param {HTMLCanvasElement} canvas */
const penOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false, willReadFrequently: true }));

/** @param {any} box @param {ImageData} image @param {number} split Columns that stay as they are. */
function put({ canvas }, image, split) {
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  penOf(canvas).putImageData(image, 0, 0, split, 0, image.width - split, image.height);
}
