// Shapes in pixels of the scan: x = column, y = row, pixel (0, 0) covers 0 to 1.

const CORNERS = 12;

/** Keep a point on the scan. @param {number[]} p @param {number} cols @param {number} rows */
export const clamped = (p, cols, rows) => [Math.min(Math.max(p[0], 0), cols), Math.min(Math.max(p[1], 0), rows)];

/** Two corners to a rectangle that covers whole pixels. @param {number[]} a @param {number[]} b @param {number} cols @param {number} rows */
export function rectangle(a, b, cols, rows) {
  const [x0, y0] = clamped([Math.floor(Math.min(a[0], b[0])), Math.floor(Math.min(a[1], b[1]))], cols - 1, rows - 1);
  const [x1, y1] = clamped([Math.ceil(Math.max(a[0], b[0])), Math.ceil(Math.max(a[1], b[1]))], cols, rows);
  const [right, bottom] = [Math.max(x1, x0 + 1), Math.max(y1, y0 + 1)];
  return [[x0, y0], [right, y0], [right, bottom], [x0, bottom]];
}

/** Does a polygon (even-odd) hold the center of at least one pixel? @param {number[][]} points @param {number} cols @param {number} rows */
export function holdsPixel(points, cols, rows) {
  if (points.length < 3) return false;
  const ys = points.map((p) => p[1]);
  const first = Math.max(0, Math.floor(Math.min(...ys)));
  const last = Math.min(rows - 1, Math.ceil(Math.max(...ys)));
  for (let row = first; row <= last; row++) {
    const xs = crossings(points, row + 0.5);
    for (let i = 0; i + 1 < xs.length; i += 2) {
      const col = Math.max(0, Math.ceil(xs[i] - 0.5));
      if (col + 0.5 < xs[i + 1] && col < cols) return true;
    }
  }
  return false;
}

/** @param {number[][]} points @param {number} y */
function crossings(points, y) {
  const xs = [];
  for (let i = 0; i < points.length; i++) {
    const [x0, y0] = points[i];
    const [x1, y1] = points[(i + 1) % points.length];
    if ((y0 <= y) !== (y1 <= y)) xs.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
  }
  return xs.sort((a, b) => a - b);
}

/** Leave out points closer together than `gap`, but keep both ends. @param {number[][]} points @param {number} gap */
export function thinned(points, gap) {
  const kept = [points[0]];
  for (const p of points.slice(1)) {
    const last = kept[kept.length - 1];
    if (Math.hypot(p[0] - last[0], p[1] - last[1]) >= gap) kept.push(p);
  }
  const end = points[points.length - 1];
  if (kept[kept.length - 1] !== end) kept.push(end);
  return kept;
}

/** Points that matter (Ramer, Douglas and Peucker). @param {number[][]} points @param {number} tolerance @returns {number[][]} */
export function simplified(points, tolerance) {
  if (points.length < 3) return points;
  const [a, b] = [points[0], points[points.length - 1]];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  let worst = 0;
  let at = 0;
  for (let i = 1; i < points.length - 1; i++) {
    const p = points[i];
    const away = length ? Math.abs((b[0] - a[0]) * (a[1] - p[1]) - (a[0] - p[0]) * (b[1] - a[1])) / length : Math.hypot(p[0] - a[0], p[1] - a[1]);
    if (away > worst) [worst, at] = [away, i];
  }
  if (worst <= tolerance) return [a, b];
  return [...simplified(points.slice(0, at + 1), tolerance).slice(0, -1), ...simplified(points.slice(at), tolerance)];
}

/** The area that a round brush covers from a to b, a bit too large rather than too small. @param {number[]} a @param {number[]} b @param {number} radius */
export function capsule(a, b, radius) {
  const turn = Math.atan2(b[1] - a[1], b[0] - a[0]);
  const r = radius / Math.cos(Math.PI / (2 * CORNERS));
  const points = [];
  for (const [center, start] of [[b, turn - Math.PI / 2], [a, turn + Math.PI / 2]]) {
    for (let i = 0; i <= CORNERS; i++) {
      const angle = /** @type {number} */ (start) + (Math.PI * i) / CORNERS;
      const c = /** @type {number[]} */ (center);
      points.push([c[0] + r * Math.cos(angle), c[1] + r * Math.sin(angle)]);
    }
  }
  return points;
}

/** A brush stroke as polygons. @param {number[][]} points @param {number} diameter @param {number} cols @param {number} rows */
export function brushed(points, diameter, cols, rows) {
  const radius = Math.max(diameter / 2, 0.75); // such a disk always holds the center of a pixel
  const inside = points.map((p) => [Math.min(Math.max(p[0], 0.5), cols - 0.5), Math.min(Math.max(p[1], 0.5), rows - 0.5)]);
  const few = simplified(thinned(inside, radius / 3), radius / 12);
  if (few.length === 1) return [capsule(few[0], few[0], radius)];
  return few.slice(1).map((p, i) => capsule(few[i], p, radius));
}

/** The end of a line turned to the nearest 15 degrees. @param {number[]} a @param {number[]} b */
export function straightened(a, b) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  const angle = (Math.round(Math.atan2(b[1] - a[1], b[0] - a[0]) / (Math.PI / 12)) * Math.PI) / 12;
  return [a[0] + length * Math.cos(angle), a[1] + length * Math.sin(angle)];
}
