// Large maps made smaller for small panels: means of heights, and marks so that none disappears.

import { VOID } from "./net.js";

/** @typedef {{head: {shape: number[], dtype: string}, data: any}} Frame */
/** @typedef {{data: any, rows: number, cols: number, factor: number}} Level */

const FACTORS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/** By how much a map may be pooled so that no pixel of the screen covers less than one of its blocks. @param {number} scale Pixels of the screen per pixel of the map. */
export const factorFor = (scale) => FACTORS.filter((f) => f * scale <= 1.0001).pop() ?? 1;

/** Pool a frame by a whole factor; 1 = the frame itself. @param {Frame} frame @param {number} factor @returns {Level} */
export function pooled(frame, factor) {
  const [height, width] = frame.head.shape;
  if (factor < 2) return { data: frame.data, rows: height, cols: width, factor: 1 };
  const rows = Math.ceil(height / factor);
  const cols = Math.ceil(width / factor);
  const pool = frame.head.dtype === "u1" ? marks : means;
  return { data: pool(frame.data, { rows, cols, height, width, f: factor }), rows, cols, factor };
}

/** @typedef {{rows: number, cols: number, height: number, width: number, f: number}} Sizes */

/** Line by line, as the numbers lie in memory. @param {Float32Array} data @param {Sizes} sizes */
function means(data, { rows, cols, height, width, f }) {
  const out = new Float32Array(rows * cols);
  const sums = new Float64Array(cols);
  const counts = new Int32Array(cols);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    counts.fill(0);
    for (let y = r * f, bottom = Math.min(height, y + f); y < bottom; y++) {
      for (let c = 0, i = y * width, end = i + width; c < cols; c++) {
        let sum = 0;
        let count = 0;
        for (let stop = Math.min(end, i + f); i < stop; i++) {
          const value = data[i];
          if (value < VOID) {
            sum += value;
            count++;
          }
        }
        sums[c] += sum;
        counts[c] += count;
      }
    }
    for (let c = 0, n = r * cols; c < cols; c++, n++) out[n] = counts[c] ? sums[c] / counts[c] : 3e38;
  }
  return out;
}

/** The largest kind and all signs of a block. @param {Uint8Array} data @param {Sizes} sizes */
function marks(data, { rows, cols, height, width, f }) {
  const out = new Uint8Array(rows * cols);
  for (let y = 0; y < height; y++) {
    const base = Math.floor(y / f) * cols;
    for (let c = 0, i = y * width, end = i + width; c < cols; c++) {
      let any = 0;
      for (let stop = Math.min(end, i + f); i < stop; i++) {
        const value = data[i];
        if (value) any = Math.max(any & 15, value & 15) | ((any | value) & 240);
      }
      if (any) out[base + c] = Math.max(out[base + c] & 15, any & 15) | ((out[base + c] | any) & 240);
    }
  }
  return out;
}
