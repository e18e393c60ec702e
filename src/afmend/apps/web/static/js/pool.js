// Large maps made smaller for small panels: means of heights, and marks so that none disappears.

import { VOID } from "./net.js";

const ENOUGH = 640;

/** Pool a frame by a whole factor to at most ENOUGH pixels along a side; null if it is small. @param {any} frame */
export function pooled(frame) {
  const [height, width] = frame.head.shape;
  const factor = Math.ceil(Math.max(height, width) / ENOUGH);
  if (factor < 2) return null;
  const rows = Math.ceil(height / factor);
  const cols = Math.ceil(width / factor);
  const pool = frame.head.dtype === "u1" ? marks : means;
  const data = pool(frame.data, { rows, cols, height, width, f: factor });
  return { data, rows, cols, factor };
}

/** @typedef {{rows: number, cols: number, height: number, width: number, f: number}} Sizes */

/** @param {Float32Array} data @param {Sizes} sizes */
function means(data, { rows, cols, height, width, f }) {
  const out = new Float32Array(rows * cols);
  for (let r = 0, n = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, n++) {
      let sum = 0;
      let count = 0;
      const [bottom, right] = [Math.min(height, (r + 1) * f), Math.min(width, (c + 1) * f)];
      for (let y = r * f; y < bottom; y++) {
        for (let i = y * width + c * f, end = y * width + right; i < end; i++) {
          const value = data[i];
          if (value < VOID) {
            sum += value;
            count++;
          }
        }
      }
      out[n] = count ? sum / count : 3e38;
    }
  }
  return out;
}

/** The largest kind and all signs of a block. @param {Uint8Array} data @param {Sizes} sizes */
function marks(data, { rows, cols, height, width, f }) {
  const out = new Uint8Array(rows * cols);
  for (let r = 0, n = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, n++) {
      let kind = 0;
      let signs = 0;
      const [bottom, right] = [Math.min(height, (r + 1) * f), Math.min(width, (c + 1) * f)];
      for (let y = r * f; y < bottom; y++) {
        for (let i = y * width + c * f, end = y * width + right; i < end; i++) {
          const value = data[i];
          if ((value & 15) > kind) kind = value & 15;
          signs |= value & 240;
        }
      }
      out[n] = kind | signs;
    }
  }
  return out;
}
