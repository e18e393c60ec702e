// The reduced surface of a height map, and how tall it is drawn.

import { VOID } from "./net.js";

export const MESH = 220;

/** Points along a side that a picture of some width can show. @param {number} width In pixels of the screen. */
export const meshSide = (width) => Math.min(MESH, Math.max(96, 16 * Math.round(width / 32)));

/**
 * Block means of at most `most` points along a side, the plane taken away; with the differences to their neighbors.
 * @param {any} frame @param {number[]} plane @param {number} most
 */
export function meshOf(frame, plane, most) {
  const [height, width] = frame.head.shape;
  const [fullRows, fullCols] = frame.head.full;
  const rows = Math.min(height, most);
  const cols = Math.min(width, most);
  const sum = new Float64Array(rows * cols);
  const count = new Uint32Array(rows * cols);
  const across = new Uint32Array(width);
  for (let c = 0; c < width; c++) across[c] = Math.min(cols - 1, Math.floor((c * cols) / width));
  for (let r = 0; r < height; r++) {
    const base = Math.min(rows - 1, Math.floor((r * rows) / height)) * cols;
    for (let c = 0, i = r * width; c < width; c++, i++) {
      const value = frame.data[i];
      if (value < VOID) {
        sum[base + across[c]] += value;
        count[base + across[c]]++;
      }
    }
  }
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < data.length; i++) {
    const y = ((Math.floor(i / cols) + 0.5) / rows - 0.5) * fullRows;
    const x = (((i % cols) + 0.5) / cols - 0.5) * fullCols;
    data[i] = count[i] ? sum[i] / count[i] - plane[0] - plane[1] * y - plane[2] * x : 3e38;
  }
  return { data: sloped(data, rows, cols), rows, cols };
}

/** Which share of each point was filled, not measured. @param {import("./pool.js").Level} flags @param {{rows: number, cols: number}} mesh */
export function filledOf(flags, { rows, cols }) {
  const [sum, count] = [new Float32Array(rows * cols), new Float32Array(rows * cols)];
  flags.data.forEach((/** @type {number} */ flag, /** @type {number} */ i) => {
    const n = Math.floor((Math.floor(i / flags.cols) * rows) / flags.rows) * cols + Math.floor(((i % flags.cols) * cols) / flags.cols);
    sum[n] += flag & 1;
    count[n]++;
  });
  return sum.map((one, n) => one / (count[n] || 1));
}

/** @param {Float32Array} z @param {number} rows @param {number} cols */
function sloped(z, rows, cols) {
  const out = new Float32Array(3 * z.length);
  const at = (/** @type {number} */ i, /** @type {number} */ j, /** @type {number} */ own) => {
    const v = z[Math.min(rows - 1, Math.max(0, i)) * cols + Math.min(cols - 1, Math.max(0, j))];
    return v > VOID ? own : v;
  };
  for (let i = 0, n = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++, n++) {
      const own = z[n] > VOID ? 0 : z[n];
      out[3 * n] = z[n];
      out[3 * n + 1] = at(i, j - 1, own) - at(i, j + 1, own);
      out[3 * n + 2] = at(i + 1, j, own) - at(i - 1, j, own);
    }
  }
  return out;
}

const NICE = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** A round factor by which heights are drawn too tall so that `span` fills `relief` of the longer side. @param {number} span @param {number} longer */
export function exaggeration(span, longer, relief = 0.16) {
  const wanted = (relief * longer) / span;
  if (!(wanted > 0) || !Number.isFinite(wanted)) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return NICE.map((n) => n * power).reduce((a, b) => (Math.abs(Math.log(b / wanted)) < Math.abs(Math.log(a / wanted)) ? b : a));
}
