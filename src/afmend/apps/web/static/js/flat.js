// Drawing without WebGL: maps in plain JavaScript, surfaces as pictures of the server.

import { wish } from "./store.js";

const VOID = 1e37;

export class FlatPainter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.kind = "plain";
    this.slow = false;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false, willReadFrequently: true }));
    /** @type {Map<string, any>} */ this.frames = new Map();
    /** @type {Map<string, {key: string, image: ImageBitmap|null, timer: number}>} */ this.surfaces = new Map();
    this.dpr = 1;
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    const [w, h] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
    if (this.canvas.width === w && this.canvas.height === h) return false;
    this.canvas.width = w;
    this.canvas.height = h;
    return true;
  }

  /** @param {number[]} paper */
  wipe(paper) {
    this.pen.fillStyle = `rgb(${paper.map((v) => Math.round(255 * v)).join()})`;
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** @param {string} panel @param {any} frame */
  setFrame(panel, frame) {
    this.frames.set(panel, frame);
  }

  clear() {
    this.frames.clear();
    this.surfaces.clear();
  }

  /** @param {any} spec See gl.js. */
  drawMap(spec) {
    const split = Math.round(spec.split ?? 0);
    const [x0, y0] = [Math.round(spec.box.x), Math.round(spec.box.y)];
    const [width, height] = [Math.round(spec.box.width), Math.round(spec.box.height)];
    if (width <= 0 || height <= 0) return;
    const image = this.pen.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const paper = packed(spec.paper.map((/** @type {number} */ v) => 255 * v));
    out.fill(paper);
    const heights = this.frames.get(spec.heights);
    if (heights) {
      const rows = axis(height, spec.scale[1], spec.center[1], spec.full[0], heights.head.shape[0]);
      const cols = axis(width, spec.scale[0], spec.center[0], spec.full[1], heights.head.shape[1]);
      this.paint(out, width, rows, cols, spec, heights);
    }
    this.pen.putImageData(image, x0, y0, split, 0, width - split, height);
  }

  /** @param {Uint32Array} out @param {number} width @param {any} rows @param {any} cols @param {any} spec @param {any} heights */
  paint(out, width, rows, cols, spec, heights) {
    const minus = this.frames.get(spec.minus)?.data;
    const marks = this.frames.get(spec.marks);
    const across = heights.head.shape[1];
    const table = new Uint32Array(256);
    for (let i = 0; i < 256; i++) table[i] = packed([...spec.table.subarray(3 * i, 3 * i + 3)]);
    const [low, high] = spec.range;
    const gain = 255 / (high - low);
    const [, mcols] = marks?.head.shape ?? [1, 1];
    const [mr, mc] = marks ? [marks.head.shape[0] / heights.head.shape[0], mcols / across] : [1, 1];
    for (let y = 0; y < rows.length; y++) {
      if (rows[y] < 0) continue;
      const line = rows[y] * across;
      const dy = ((rows[y] + 0.5) / heights.head.shape[0] - 0.5) * spec.full[0];
      for (let x = 0; x < cols.length; x++) {
        if (cols[x] < 0) continue;
        let value = heights.data[line + cols[x]];
        if (spec.mode === 3 && minus) value -= minus[line + cols[x]];
        let color;
        if (Math.abs(value) < VOID) {
          const dx = ((cols[x] + 0.5) / across - 0.5) * spec.full[1];
          value -= spec.plane[0] + spec.plane[1] * dy + spec.plane[2] * dx;
          color = table[Math.max(0, Math.min(255, Math.round((value - low) * gain)))];
        } else color = (x + y) % 8 < 3 ? 0xff8c8c8c : 0xffcccccc;
        if (marks && spec.mode > 0 && spec.mode < 3) {
          color = marked(color, marks.data[Math.floor(rows[y] * mr) * mcols + Math.floor(cols[x] * mc)], spec, x, y);
        }
        out[y * width + x] = color;
      }
    }
  }

  /** @param {any} spec */
  drawSurface(spec) {
    const { x, y, width, height } = spec.box;
    const pen = this.pen;
    pen.fillStyle = `rgb(${spec.paper.map((/** @type {number} */ v) => Math.round(255 * v)).join()})`;
    pen.fillRect(x, y, width, height);
    if (!spec.frame) return;
    const key = JSON.stringify([spec.frame.head.key, spec.limits, Math.round(spec.turn), spec.map, Math.round(width), spec.flat]);
    const kept = this.surfaces.get(spec.heights) ?? { key: "", image: null, timer: 0 };
    this.surfaces.set(spec.heights, kept);
    if (kept.image) {
      const s = Math.min(width / kept.image.width, height / kept.image.height);
      pen.drawImage(kept.image, x + (width - s * kept.image.width) / 2, y + (height - s * kept.image.height) / 2, s * kept.image.width, s * kept.image.height);
    }
    if (kept.key === key) return;
    kept.key = key;
    clearTimeout(kept.timer);
    kept.timer = window.setTimeout(() => this.fetchSurface(spec, kept, key), 200);
  }

  /** @param {any} spec @param {any} kept @param {string} key */
  async fetchSurface(spec, kept, key) {
    const asked = { wish: wish(), stage: spec.stage, low: spec.limits[0], high: spec.limits[1], width: Math.round(Math.min(900, Math.max(200, spec.box.width))),
      turn: Math.min(89, Math.max(1, spec.turn % 90)), cmap: spec.map, plane: spec.flat };
    const answer = await fetch("./api/surface", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) });
    if (!answer.ok || kept.key !== key) return;
    kept.image = await createImageBitmap(await answer.blob());
    window.dispatchEvent(new Event("afmend-redraw"));
  }

  /** @param {number} x @param {number} y */
  pixel(x, y) {
    return [...this.pen.getImageData(Math.floor(x), Math.floor(y), 1, 1).data];
  }
}

/** Which row or column of the frame each screen pixel shows; -1 = none. @param {number} length @param {number} scale @param {number} center @param {number} full @param {number} size */
function axis(length, scale, center, full, size) {
  const out = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const at = (i + 0.5 - length / 2) / scale + center;
    out[i] = at >= 0 && at < full ? Math.min(size - 1, Math.floor((at * size) / full)) : -1;
  }
  return out;
}

const packed = (/** @type {number[]} */ [r, g, b]) => (0xff000000 | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

/** @param {number} color @param {number} label @param {any} spec @param {number} x @param {number} y */
function marked(color, label, spec, x, y) {
  if (!label) return color;
  if (spec.mode === 2) {
    if (label & 2) return (x + y) % 7 < 3 ? packed([229, 26, 51]) : color;
    if (label & 8 && (x - y + 6000) % 6 < 2) return packed([115, 51, 217]);
    return label & 1 ? mixed(color, [0, 214, 255], 0.45) : color;
  }
  const kind = label & 15;
  let out = kind ? mixed(color, [...spec.colors.subarray(4 * kind, 4 * kind + 3)].map((v) => 255 * v), 0.78) : color;
  if (label & 64 && (x - y + 7000) % 7 < 3) out = packed([0, 209, 242]);
  if (label & 32) out = mixed(out, [255, 217, 26], (x + y) % 9 < 3 ? 0.85 : 0.25);
  if (label & 16) out = (x + y) % 8 < 3 ? 0xff8c8c8c : 0xffcccccc;
  return out;
}

/** @param {number} color @param {number[]} other @param {number} share */
function mixed(color, other, share) {
  const own = [color & 255, (color >> 8) & 255, (color >> 16) & 255];
  return packed(own.map((v, i) => v * (1 - share) + other[i] * share));
}
