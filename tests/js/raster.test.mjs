import assert from "node:assert/strict";
import { test } from "node:test";
import { axis, drawRelief, heightsOf, lit, marksOf, packed, paint } from "../../src/afmend/apps/web/static/js/raster.js";
import { filledOf, meshOf } from "../../src/afmend/apps/web/static/js/surface.js";

const map = (rows, cols, fill, kind = Float32Array) => kind.from({ length: rows * cols }, (_, i) => fill(Math.floor(i / cols), i % cols));
const spec = { table: Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3)), range: [0, 255], plane: [0, 0, 0], mode: 0, colors: new Float32Array(64), paper: [1, 0, 0] };
const painted = (heights, marks, rows, cols, more = {}) => {
  const out = new Uint32Array(rows.first.length * cols.first.length);
  paint(out, heights, marks, rows, cols, { ...spec, ...more });
  return out;
};

test("no row is left out when several share a pixel, and none is shown twice as wide as it is", () => {
  for (const scale of [0.23, 0.5, 0.77, 0.999]) {
    const { first, end } = axis(100, scale, 60, 120, 120);
    const inside = [...first.keys()].filter((i) => first[i] >= 0);
    assert.equal(inside.length, Math.min(100, Math.round(120 * scale)));
    for (const i of inside.slice(1)) assert.ok(first[i] <= end[i - 1] && end[i] > first[i], `${scale} ${i}`);
  }
  const large = axis(90, 9, 5, 10, 10);
  for (let i = 0; i < 90; i++) assert.deepEqual([large.first[i], large.end[i]], [Math.floor(i / 9), Math.floor(i / 9) + 1]);
  const half = axis(4, 1, 2, 5, 3, 0.5); // a map pooled by 2, with half a block at its end
  assert.deepEqual([...half.first], [0, 0, 1, 1]);
  assert.deepEqual([axis(6, 1, 3, 4, 4).first[0], axis(6, 1, 1, 4, 4).first[0]], [0, -1]);
});

test("heights are means of what was measured, on a map that is not square", () => {
  const data = map(6, 10, (r, c) => (r === 0 && c === 0 ? 3e38 : 10 * r + c));
  const [rows, cols] = [axis(3, 0.5, 3, 6, 6), axis(5, 0.5, 5, 10, 10)];
  const found = heightsOf(data, 10, rows, cols);
  assert.equal(found.length, 15);
  assert.ok(Math.abs(found[0] - (1 + 10 + 11) / 3) < 1e-4);
  assert.equal(found[5 + 2], (24 + 25 + 34 + 35) / 4);
  assert.ok(heightsOf(map(6, 10, () => 3e38), 10, rows, cols).every((v) => v > 1e38));
});

test("no mark disappears, wherever it is", () => {
  const [rows, cols] = [axis(23, 0.23, 50, 100, 100), axis(34, 0.26, 65, 130, 130)];
  for (let n = 0; n < 40; n++) {
    const [r, c] = [7 + 2 * n, 5 + 3 * n];
    const data = map(100, 130, (y, x) => (y === r && x === c ? 64 | 3 : 0), Uint8Array);
    const found = marksOf(data, 130, rows, cols, false);
    assert.ok(found.some((v) => v === (64 | 3)), `${r} ${c}`);
  }
  assert.ok(marksOf(map(2, 2, (r, c) => 1 << (2 * r + c), Uint8Array), 2, axis(1, 0.5, 1, 2, 2), axis(1, 0.5, 1, 2, 2), true).every((v) => v === 15));
});

test("colors are those of the table, the plane is taken away, paper lies around", () => {
  const [rows, cols] = [axis(6, 1, 2, 4, 4), axis(8, 1, 3, 6, 6)];
  const data = map(4, 6, (r, c) => 100 + 5 * (r + 0.5 - 2) + 2 * (c + 0.5 - 3));
  const out = painted(heightsOf(data, 6, rows, cols), null, rows, cols, { plane: [20, 5, 2] });
  assert.equal(out[0], packed([255, 0, 0]));
  const inner = [...out].filter((v) => v !== packed([255, 0, 0]));
  assert.equal(inner.length, 24);
  assert.ok(inner.every((v) => v === packed([80, 80, 80])));
  const ends = painted(heightsOf(map(4, 6, (r) => (r < 2 ? -9 : 999)), 6, rows, cols), null, rows, cols);
  assert.deepEqual([...new Set(ends)], [packed([255, 0, 0]), packed([0, 0, 0]), packed([255, 255, 255])]);
});

test("marks tint, what was never measured is gray", () => {
  const [rows, cols] = [axis(4, 1, 2, 4, 4), axis(6, 1, 3, 6, 6)];
  const heights = heightsOf(map(4, 6, (r) => (r ? 100 : 3e38)), 6, rows, cols);
  const colors = new Float32Array(64);
  colors.set([1, 0, 0, 1], 4);
  const marks = marksOf(map(4, 6, (r) => [0, 1, 0, 32][r], Uint8Array), 6, rows, cols, false);
  const out = painted(heights, marks, rows, cols, { mode: 1, colors });
  assert.ok([...out.subarray(0, 6)].every((v) => (v & 255) === ((v >> 8) & 255) && (v & 255) >= 140));
  assert.ok([...out.subarray(6, 12)].every((v) => (v & 255) > 200 && ((v >> 8) & 255) < 40));
  assert.ok([...out.subarray(12, 18)].every((v) => v === packed([100, 100, 100])));
  assert.ok([...out.subarray(18, 24)].every((v) => (v & 255) > ((v >> 16) & 255) + 20));
  const flags = painted(heights, marksOf(map(4, 6, (r) => [0, 1, 2, 8][r], Uint8Array), 6, rows, cols, true), rows, cols, { mode: 2 });
  assert.ok([...flags.subarray(6, 12)].every((v) => ((v >> 16) & 255) > (v & 255) + 40)); // filled: cyan
  assert.ok([...flags.subarray(12, 18)].every((v) => (v & 255) > ((v >> 8) & 255))); // open: red
});

const relief = (fill, more = {}, [width, height] = [120, 90]) => {
  const heights = { head: { shape: [30, 50], full: [30, 50] }, data: map(30, 50, fill) };
  const whole = { ...spec, range: [0, 10], relief: 0.3, turn: 28, tilt: 42, sides: [500, 300], ...more };
  const mesh = meshOf(heights, [0, 0, 0], 60);
  const out = new Uint32Array(width * height);
  drawRelief(out, width, height, { points: lit(mesh, whole), rows: mesh.rows, cols: mesh.cols }, whole);
  return out;
};
const drawn = (out) => out.filter((v) => v).length;
const top = (out, width = 120) => Math.floor(out.findIndex((v) => v) / width);

test("a flat surface from above is a rectangle of its own proportions, all of one color", () => {
  const out = relief(() => 5, { turn: 0, tilt: 89.9 });
  assert.equal(new Set(out).size, 2);
  const rows = [...Array(90).keys()].filter((y) => out.subarray(120 * y, 120 * y + 120).some((v) => v));
  const cols = [...Array(120).keys()].filter((x) => rows.some((y) => out[120 * y + x]));
  assert.ok(Math.abs(cols.length / rows.length - 5 / 3) < 0.06);
  assert.equal(drawn(out), rows.length * cols.length);
});

test("a surface lies inside of its panel, whatever the turn", () => {
  for (let turn = 0; turn < 360; turn += 23) {
    const out = relief((r, c) => (r === 15 && c === 25 ? 10 : 0), { turn });
    assert.ok(drawn(out) > 1500);
    for (const edge of [out.subarray(0, 120), out.subarray(89 * 120)]) assert.ok(edge.every((v) => v === 0), `${turn}`);
  }
});

test("hills rise, hide what is behind them, and are lit from the left", () => {
  const flat = relief(() => 0);
  const hill = relief((r, c) => (Math.hypot(r - 2, c - 25) < 6 ? 10 : 0));
  assert.ok(top(hill) < top(flat));
  const wall = relief((r, c) => (c === 40 ? 200 : 0), { turn: 90 }); // in front, far too tall: cut, not boundless
  assert.ok(drawn(wall) <= drawn(flat) * 2);
  const slope = (sign) => relief((r, c) => 5 + sign * 0.1 * (c - 25), { turn: 0 });
  const bright = (out) => Math.max(...out.map((v) => v & 255));
  assert.ok(bright(slope(1)) > bright(slope(-1)));
});

test("below the front edge there is a dark side down to the lower end of the colors", () => {
  const [low, high] = [relief(() => 0, { turn: 0 }), relief(() => 8, { turn: 0 })];
  assert.equal(new Set(low).size, 2);
  assert.equal(new Set(high).size, 3);
  assert.ok(drawn(high) > drawn(low) + 500);
  const bottom = (out) => 90 - [...Array(90).keys()].findIndex((y) => out.subarray(120 * (89 - y), 120 * (90 - y)).some((v) => v));
  assert.ok(Math.abs(bottom(low) - bottom(high)) <= 1);
});

test("what was never measured is gray, not a hole", () => {
  const whole = relief(() => 0);
  const some = relief((r) => (r < 10 ? 3e38 : 0));
  assert.ok(Math.abs(drawn(some) - drawn(whole)) < 10);
  assert.ok(some.some((v) => v === packed([176, 176, 176])));
});

test("under error bars, what was measured is pale and only what was filled has colors", () => {
  const [rows, cols] = [axis(2, 1, 1, 2, 2), axis(3, 1, 1.5, 3, 3)];
  const out = painted(heightsOf(map(2, 3, (r) => (r ? 100 : 3e38)), 3, rows, cols), marksOf(map(2, 3, (r) => r, Uint8Array), 3, rows, cols, true), rows, cols, { mode: 4 });
  assert.ok([...out.subarray(0, 3)].every((v) => v === packed([222, 222, 222])));
  assert.ok([...out.subarray(3)].every((v) => v === packed([100, 100, 100])));
});

test("what was filled is tinted on a surface by its share", () => {
  const flags = { data: map(30, 50, (r, c) => (c < 25 ? 1 : 2), Uint8Array), rows: 30, cols: 50 };
  const share = filledOf(flags, { rows: 10, cols: 4 });
  assert.deepEqual([...share.subarray(0, 4)], [1, 1, 0, 0]);
  const whole = { ...spec, range: [0, 10], relief: 0.3, turn: 0, tilt: 89.9, sides: [500, 300] };
  const mesh = meshOf({ head: { shape: [30, 50], full: [30, 50] }, data: map(30, 50, () => 5) }, [0, 0, 0], 60);
  const out = new Uint32Array(120 * 90);
  drawRelief(out, 120, 90, { points: lit(mesh, whole), rows: mesh.rows, cols: mesh.cols, tint: filledOf(flags, mesh) }, whole);
  const cyan = (x) => ((out[120 * 45 + x] >> 16) & 255) - (out[120 * 45 + x] & 255);
  assert.ok(cyan(40) > 50);
  assert.equal(cyan(80), 0);
});
