// Numbers along a line, and histograms, from the frames that the page holds.

import { flattened, hidden, planeAt } from "./scene.js";
import { state } from "./store.js";

/** Length of a line in nm, or in pixels if the size is unknown. @param {number[][]} line */
export function lengthOf([a, b]) {
  const grid = state.info.grid;
  const [px, py] = grid.calibrated ? [grid.pixel_fast_nm, grid.pixel_slow_nm] : [1, 1];
  return Math.hypot((b[0] - a[0]) * px, (b[1] - a[1]) * py);
}

/** @type {{key: string, shift: number}} */
let zero = { key: "", shift: 0 };

/**
 * What must be added to the original without its plane so that both stand on one zero: the middle difference over pixels
 * that were measured and not filled. Leveling chooses its own zero; without this, two curves of one surface lie apart.
 * Null where that makes no sense: the original is shown as recorded, or a picture is missing.
 */
export function commonZero() {
  const [original, mended, flags] = ["original", "mended", "flags"].map((name) => state.frames.get(name));
  if (!flattened("before") || !original || !mended || !flags) return null;
  const [rows, cols] = original.head.shape;
  if ([mended, flags].some((one) => one.head.shape[0] !== rows || one.head.shape[1] !== cols)) return zero.key ? zero.shift : null;
  const key = `${original.head.key}|${mended.head.key}|${flags.head.key}`;
  if (zero.key === key) return zero.shift;
  const [ky, kx] = [original.head.full[0] / rows, original.head.full[1] / cols];
  const step = Math.max(1, Math.floor(Math.sqrt((rows * cols) / 12000)));
  const found = new Float64Array(Math.ceil(rows / step) * Math.ceil(cols / step));
  let count = 0;
  for (let r = step >> 1; r < rows; r += step) for (let c = step >> 1; c < cols; c += step) {
    const i = r * cols + c;
    if (flags.data[i] || !(Math.abs(original.data[i]) < 1e37) || !(Math.abs(mended.data[i]) < 1e37)) continue;
    const flat = original.data[i] + original.head.offset - planeAt(original.head.stats.plane, original.head, (c + 0.5) * kx, (r + 0.5) * ky);
    found[count++] = (mended.data[i] + mended.head.offset - flat);
  }
  if (!count) return null;
  zero = { key, shift: found.subarray(0, count).sort()[count >> 1] };
  return zero.shift;
}

/** How the curve of the original is called. */
export const originalName = () => (!flattened("before") ? "original" : commonZero() === null ? "original without its plane" : "original without its plane, on the same zero");

/** Values along a line: of the pixel under each point, nothing interpolated. @param {any} frame @param {number[][]} line @param {string} [group] */
export function along(frame, [a, b], group) {
  const { rows, cols } = state.info.grid;
  const count = Math.max(2, Math.ceil(Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1]))) + 1);
  const x = new Float64Array(count);
  const y = new Float64Array(count).fill(NaN);
  const total = lengthOf([a, b]);
  const [height, width] = frame?.head.shape ?? [1, 1];
  const plane = hidden(frame, group);
  for (let i = 0; i < count; i++) {
    const t = i / (count - 1);
    x[i] = t * total;
    const [px, py] = [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
    if (!frame || px < 0 || py < 0 || px > cols || py > rows) continue;
    const c = Math.min(width - 1, Math.floor((px * width) / cols));
    const r = Math.min(height - 1, Math.floor((py * height) / rows));
    const value = frame.data[r * width + c];
    if (frame.head.dtype === "u1") y[i] = value;
    else if (Math.abs(value) < 1e37) y[i] = value + frame.head.offset - planeAt(plane, frame.head, ((c + 0.5) * cols) / width, ((r + 0.5) * rows) / height);
  }
  return { x, y };
}

/**
 * Original and mended along a line. Shown without its plane, the original is moved so that both have the same middle over
 * the pixels of this line that were measured and not filled: offsets of lines and bows that leveling took away do not
 * tear the curves apart, and differences along the line stay as they are.
 * @param {number[][]} line
 */
export function pair(line) {
  const before = along(state.frames.get("original"), line, "before");
  const after = along(state.frames.get("mended"), line);
  const invented = along(state.frames.get("flags"), line).y.map((v) => Number(v) & 1);
  if (!flattened("before")) return { before, after, invented, name: "original" };
  const apart = after.y.map((v, i) => v - before.y[i]).filter((v, i) => Number.isFinite(v) && !invented[i]).sort();
  if (!apart.length) return { before, after, invented, name: "original without its plane" };
  const shift = apart[apart.length >> 1];
  return { before: { x: before.x, y: before.y.map((v) => v + shift) }, after, invented, name: "original without its plane, same middle" };
}

/** Shares of the pixels per class of height. @param {any} frame @param {string} group @param {number} [bins] */
export function histogram(frame, group, bins = 160) {
  const [height, width] = frame.head.shape;
  const flat = flattened(group);
  const p = flat ? frame.head.stats.flat_p : frame.head.stats.p;
  const span = p[5] - p[1] || Math.abs(p[3]) || 1;
  const [low, high] = [p[1] - 0.1 * span, p[5] + 0.1 * span];
  const plane = hidden(frame, group);
  const shift = group === "before" ? commonZero() ?? 0 : 0;
  const y = new Float64Array(bins);
  let count = 0;
  const [ky, kx] = [frame.head.full[0] / height, frame.head.full[1] / width];
  for (let r = 0, i = 0; r < height; r++) {
    for (let c = 0; c < width; c++, i++) {
      const value = frame.data[i];
      if (!(Math.abs(value) < 1e37)) continue;
      const bin = Math.floor(((value + frame.head.offset - planeAt(plane, frame.head, (c + 0.5) * kx, (r + 0.5) * ky) - low) / (high - low)) * bins);
      if (bin >= 0 && bin < bins) y[bin]++;
      count++;
    }
  }
  const x = new Float64Array(bins);
  for (let b = 0; b < bins; b++) {
    x[b] = low + ((b + 0.5) / bins) * (high - low) + shift;
    y[b] = (100 * y[b]) / Math.max(1, count);
  }
  return { x, y };
}
