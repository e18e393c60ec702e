import assert from "node:assert/strict";
import { test } from "node:test";
import { pooled } from "../../src/afmend/apps/web/static/js/pool.js";
import { meshOf } from "../../src/afmend/apps/web/static/js/surface.js";

const frame = (rows, cols, dtype, fill) => {
  const data = dtype === "u1" ? new Uint8Array(rows * cols) : new Float32Array(rows * cols);
  for (let i = 0; i < data.length; i++) data[i] = fill(Math.floor(i / cols), i % cols);
  return { head: { shape: [rows, cols], full: [rows, cols], dtype }, data };
};

test("small frames stay", () => assert.equal(pooled(frame(20, 640, "f4", () => 1), 1).data.length, 12800));

test("means leave out what was never measured, also at a rim of half a block", () => {
  const small = pooled(frame(3, 1281, "f4", (r, c) => (c === 0 ? 3e38 : 100 * r + c)), 3);
  assert.deepEqual([small.rows, small.cols, small.factor], [1, 427, 3]);
  assert.equal(small.data[0], 100 + 1.5);
  assert.equal(small.data[426], 100 + 1279);
  assert.ok(pooled(frame(2, 700, "f4", () => 3e38), 2).data.every((v) => v > 1e38));
});

test("no mark disappears", () => {
  const small = pooled(frame(1300, 1301, "u1", (r, c) => (r === 1299 && c === 1300 ? 3 : r === 0 && c === 0 ? 64 : r === 0 && c === 1 ? 1 : 0)), 3);
  assert.equal(small.data[0], 64 | 1);
  assert.equal(small.data[small.data.length - 1], 3);
  assert.equal(small.data.filter((v) => v).length, 2);
});

test("a surface keeps heights and slopes, its plane taken away", () => {
  const one = frame(50, 60, "f4", (r, c) => 5 + 0.5 * (r + 0.5 - 25) + 0.25 * (c + 0.5 - 30));
  const flat = meshOf(one, [5, 0.5, 0.25], 100);
  assert.deepEqual([flat.rows, flat.cols], [50, 60]);
  assert.ok(flat.data.every((v) => Math.abs(v) < 1e-4));
  const tilted = meshOf(one, [0, 0, 0], 100).data;
  assert.ok(Math.abs(tilted[3 * (10 * 60 + 10) + 1] + 0.5) < 1e-4); // left minus right
  assert.ok(Math.abs(tilted[3 * (10 * 60 + 10) + 2] - 1) < 1e-4); // below minus above
});
