// Maps and surfaces drawn by the processor, into arrays of pixels: maps faster than by a program that stands in for a
// graphics card.

import { VOID } from "./net.js";

const OUTSIDE = Math.fround(-3e38);

/** @typedef {{first: Int32Array, end: Int32Array, middle: Float32Array}} Axis */

/**
 * For each pixel of the screen: the first row (or column) of the map that it shows (-1 = none), the one after the last,
 * and where their middle lies, in pixels of the scan from its center. None is left out.
 * @param {number} length @param {number} scale @param {number} center @param {number} full @param {number} size @param {number} [ratio] Pixels of the map per pixel of the scan.
 * @returns {Axis}
 */
export function axis(length, scale, center, full, size, ratio = size / full) {
  const [first, end, middle] = [new Int32Array(length), new Int32Array(length), new Float32Array(length)];
  const reach = Math.max(0, ratio / scale - 1) / 2 + 1e-6;
  for (let i = 0; i < length; i++) {
    const at = (i + 0.5 - length / 2) / scale + center;
    if (at >= 0 && at < full) {
      first[i] = Math.max(0, Math.round(at * ratio - reach - 0.5));
      end[i] = Math.min(size, Math.max(first[i] + 1, Math.round(at * ratio + reach + 0.5 - 2e-6)));
      middle[i] = (first[i] + end[i]) / 2 / ratio - full / 2;
    } else first[i] = -1;
  }
  return { first, end, middle };
}

/**
 * Go over a map, one pixel of the screen after the other; equal rows are copied.
 * @param {any} out @param {Axis} rows @param {Axis} cols @param {number} outside @param {(r0: number, r1: number, c0: number, c1: number) => number} each
 */
function over(out, rows, cols, outside, each) {
  const width = cols.first.length;
  for (let y = 0, at = 0; y < rows.first.length; y++, at += width) {
    const [r0, r1] = [rows.first[y], rows.end[y]];
    if (y && r0 === rows.first[y - 1] && r1 === rows.end[y - 1]) out.copyWithin(at, at - width, at);
    else if (r0 < 0) out.fill(outside, at, at + width);
    else for (let x = 0; x < width; x++) out[at + x] = cols.first[x] < 0 ? outside : each(r0, r1, cols.first[x], cols.end[x]);
  }
  return out;
}

/** Means of heights per pixel of the screen; what was never measured does not count. @param {any} data @param {number} across @param {Axis} rows @param {Axis} cols @returns {Float32Array} */
export function heightsOf(data, across, rows, cols) {
  return over(new Float32Array(rows.first.length * cols.first.length), rows, cols, OUTSIDE, (r0, r1, c0, c1) => {
    if (r1 - r0 === 1 && c1 - c0 === 1) return data[r0 * across + c0];
    let [sum, count] = [0, 0];
    for (let r = r0; r < r1; r++) for (let i = r * across + c0, end = r * across + c1; i < end; i++) if (data[i] < VOID) {
      sum += data[i];
      count++;
    }
    return count ? sum / count : 3e38;
  });
}

/** Marks per pixel of the screen: the largest kind and all signs, or all bits. @param {any} data @param {number} across @param {Axis} rows @param {Axis} cols @param {boolean} bits @returns {Uint8Array} */
export function marksOf(data, across, rows, cols, bits) {
  return over(new Uint8Array(rows.first.length * cols.first.length), rows, cols, 0, (r0, r1, c0, c1) => {
    let any = 0;
    for (let r = r0; r < r1; r++) for (let i = r * across + c0, end = r * across + c1; i < end; i++) {
      const label = data[i];
      if (label) any = bits ? any | label : Math.max(any & 15, label & 15) | ((any | label) & 240);
    }
    return any;
  });
}

/** A color as it lies in memory. @param {any} rgb 0 to 255 */
export const packed = ([r, g, b]) => (0xff000000 | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

/** @param {number} color @param {number} other @param {number} share */
function mixed(color, other, share) {
  const own = 1 - share;
  return (0xff000000 | ((((color >> 16) & 255) * own + ((other >> 16) & 255) * share) << 16)
    | (((((color >> 8) & 255) * own + ((other >> 8) & 255) * share) & 255) << 8) | ((color & 255) * own + (other & 255) * share)) >>> 0;
}

const [PALE, DRAWN, YELLOW, LIGHT, GRAY, FILLED, PURPLE, BLUE, RED] = [[222, 222, 222], [123, 63, 242], [255, 217, 26], [204, 204, 204], [140, 140, 140], [0, 214, 255], [115, 51, 217], [0, 89, 153], [229, 26, 51]].map(packed);
const up = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ period, /** @type {number} */ share) => (x + y) % period < share * period;
const down = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ period, /** @type {number} */ share) => (y - x + 4200) % period < share * period;

/** As the shader does it. @param {number} color @param {number} label @param {number} mode @param {number[]} kinds @param {number} x @param {number} y */
function marked(color, label, mode, kinds, x, y) {
  let out = color;
  if (mode === 1) {
    if (label & 15) out = mixed(out, kinds[label & 15], 0.78);
    if (label & 64 && down(x, y, 7, 0.5)) out = DRAWN;
    if (label & 32) out = mixed(out, YELLOW, up(x, y, 9, 0.3) ? 0.85 : 0.25);
    return label & 16 ? (up(x, y, 8, 0.4) ? GRAY : LIGHT) : out;
  }
  if (mode === 2 && label & 1) out = mixed(out, FILLED, 0.45);
  if (label & 8) out = mixed(out, PURPLE, down(x, y, 6, 0.35) ? 0.8 : 0.25);
  if (label & 4 && up(x, y, 5, 0.35)) out = BLUE;
  return label & 2 ? mixed(out, RED, up(x, y, 7, 0.35) ? 0.9 : 0.2) : out;
}

/** @param {Uint8Array} table 256 x 3 */
const colorsOf = (table) => Uint32Array.from({ length: 256 }, (_, i) => packed(table.subarray(3 * i, 3 * i + 3)));

/**
 * Give every pixel its color.
 * @param {Uint32Array} out @param {Float32Array} heights @param {Uint8Array|null} marks @param {Axis} rows @param {Axis} cols
 * @param {any} spec table, range, plane, mode, colors, paper; see scene.js.
 */
export function paint(out, heights, marks, rows, cols, spec) {
  const width = cols.first.length;
  const table = colorsOf(spec.table);
  const kinds = Array.from({ length: 16 }, (_, i) => packed(spec.colors.subarray(4 * i, 4 * i + 3).map((/** @type {number} */ v) => 255 * v)));
  const paper = packed(spec.paper.map((/** @type {number} */ v) => 255 * v));
  const gain = 255 / (spec.range[1] - spec.range[0]);
  const aside = cols.middle.map((x) => gain * spec.plane[2] * x);
  for (let y = 0, i = 0; y < rows.first.length; y++) {
    const zero = gain * (spec.range[0] + spec.plane[0] + spec.plane[1] * rows.middle[y]) - 0.5;
    for (let x = 0; x < width; x++, i++) {
      const value = heights[i];
      if (value === OUTSIDE) {
        out[i] = paper;
        continue;
      }
      const t = value * gain - zero - aside[x];
      const color = value > VOID ? (spec.mode === 4 ? PALE : up(x, y, 8, 0.4) ? GRAY : LIGHT) : table[t < 0 ? 0 : t > 255 ? 255 : Math.floor(t)];
      out[i] = marks?.[i] ? marked(color, marks[i], spec.mode, kinds, x, y) : color;
    }
  }
}

/** Height from 0 to 1 and light of each point of a mesh; what was never measured has light 0. @param {any} mesh See surface.js. @param {any} spec */
export function lit({ data, rows, cols }, { range, relief, sides }) {
  const out = new Float32Array(2 * rows * cols);
  const gain = 1 / (range[1] - range[0]);
  const longer = Math.max(...sides);
  const [kx, ky] = [(gain * relief * cols * longer) / (2 * sides[0]), (gain * relief * rows * longer) / (2 * sides[1])];
  const lamp = 0.75 / Math.hypot(0.55, 0.45, 0.75);
  for (let i = 0, n = 0; i < out.length; i += 2, n += 3) {
    if (data[n] > VOID) continue;
    out[i] = (data[n] - range[0]) * gain;
    const [x, y] = [data[n + 1] * kx, data[n + 2] * ky];
    const cosine = (0.75 - 0.55 * x + 0.45 * y) / Math.hypot(0.55, 0.45, 0.75) / Math.sqrt(1 + x * x + y * y);
    out[i + 1] = Math.min(1.22, Math.max(0.2, 0.42 + (0.58 * Math.max(0, cosine)) / lamp));
  }
  return out;
}

/**
 * Draw a surface: for each column of the screen, along the ground from the front to the back, whatever looks over what was
 * drawn already. The camera is orthographic and keeps the whole box in sight; angles in degrees.
 * @param {Uint32Array} out @param {number} width @param {number} height @param {{points: Float32Array, rows: number, cols: number, tint?: Float32Array}} mesh Of `lit`; tint: the share that was filled. @param {any} spec
 */
export function drawRelief(out, width, height, { points, rows, cols, tint }, spec) {
  const radians = Math.PI / 180;
  const [ca, sa, cb, sb] = [Math.cos(spec.turn * radians), Math.sin(spec.turn * radians), Math.cos(spec.tilt * radians), Math.sin(spec.tilt * radians)];
  const longer = Math.max(...spec.sides);
  const [hx, hy] = spec.sides.map((/** @type {number} */ side) => side / longer / 2);
  const reach = [hx * Math.abs(ca) + hy * Math.abs(sa), (hx * Math.abs(sa) + hy * Math.abs(ca)) * sb + 0.75 * spec.relief * cb];
  const k = (0.47 * height) / Math.max((reach[0] * height) / width, reach[1]);
  const { table, relief } = spec;
  for (let i = 0; i < width; i++) {
    const u = (i + 0.5 - width / 2) / k;
    const [x0, y0] = [u * ca, -u * sa]; // on the ground: x = x0 + v sa, y = y0 + v ca
    let [from, to] = [-2, 2];
    for (const [at, slope, half] of [[x0, sa, hx], [y0, ca, hy]]) {
      if (Math.abs(slope) < 1e-9) {
        if (Math.abs(at) > half) to = -3;
        continue;
      }
      const ends = [(-half - at) / slope, (half - at) / slope];
      from = Math.max(from, Math.min(...ends));
      to = Math.min(to, Math.max(...ends));
    }
    const count = Math.ceil((to - from) * k);
    let top = -1;
    for (let n = 0; n <= count; n++) {
      const v = Math.min(to, from + n / k);
      const c = Math.min(cols - 1, Math.max(0, ((x0 + v * sa) / (2 * hx) + 0.5) * cols - 0.5));
      const r = Math.min(rows - 1, Math.max(0, (0.5 - (y0 + v * ca) / (2 * hy)) * rows - 0.5));
      const [c0, r0] = [Math.floor(c), Math.floor(r)];
      const [fc, fr] = [c - c0, r - r0];
      const a = 2 * (r0 * cols + c0);
      const b = c0 < cols - 1 ? a + 2 : a;
      const below = r0 < rows - 1 ? 2 * cols : 0;
      const known = points[a + 1] && points[b + 1] && points[a + below + 1] && points[b + below + 1];
      const between = (/** @type {number} */ part) => (points[a + part] * (1 - fc) + points[b + part] * fc) * (1 - fr) + (points[a + below + part] * (1 - fc) + points[b + below + part] * fc) * fr;
      const t = known ? between(0) : 0;
      const z = Math.min(1.45, Math.max(-0.3, t)) - 0.5;
      const y = Math.max(0, Math.round(height / 2 - k * (v * sb + z * relief * cb)));
      const first = top < 0;
      if (first) top = Math.min(height, y + 1);
      if (y >= top) continue;
      const at = 3 * Math.round(255 * Math.min(1, Math.max(0, t)));
      const light = known ? between(1) : 1;
      const share = 0.45 * (tint?.[r0 * cols + c0] ?? 0);
      const shade = (/** @type {number} */ part) => Math.min(255, (known ? 51 + 0.8 * (table[at + part] + share * ((0xffd600 >> (8 * part)) & 255) - share * table[at + part]) : 176) * light);
      const color = (0xff000000 | (shade(2) << 16) | (shade(1) << 8) | shade(0)) >>> 0;
      for (let p = y * width + i, end = top * width; p < end; p += width) out[p] = color;
      if (first) { // a dark side below the front edge, down to the lower end of the colors
        const bottom = Math.min(height, Math.round(height / 2 - k * (v * sb - 0.5 * relief * cb)));
        const side = mixed(color, 0xff000000, 0.6);
        for (let p = top * width + i, end = bottom * width; p < end; p += width) out[p] = side;
      }
      top = y;
    }
  }
}
