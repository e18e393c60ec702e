import assert from "node:assert/strict";
import { test } from "node:test";
import { brushed, capsule, clamped, holdsPixel, rectangle, simplified, straightened, thinned } from "../../src/afmend/apps/web/static/js/geometry.js";

test("a rectangle covers whole pixels and stays on the scan", () => {
  assert.deepEqual(rectangle([2.4, 3.9], [5.1, 1.2], 20, 10), [[2, 1], [6, 1], [6, 4], [2, 4]]);
  assert.deepEqual(rectangle([-5, -5], [-4, -4], 20, 10), [[0, 0], [1, 0], [1, 1], [0, 1]]);
  assert.deepEqual(rectangle([25, 15], [30, 30], 20, 10), [[19, 9], [20, 9], [20, 10], [19, 10]]);
});

test("polygons that hold no center of a pixel are known", () => {
  assert.equal(holdsPixel([[0, 0], [1, 0], [1, 1], [0, 1]], 5, 5), true);
  assert.equal(holdsPixel([[0.6, 0.6], [0.9, 0.6], [0.9, 0.9]], 5, 5), false);
  assert.equal(holdsPixel([[7, 7], [9, 7], [9, 9]], 5, 5), false);
  assert.equal(holdsPixel([[1, 1], [4, 4]], 5, 5), false);
});

test("every brush stroke holds a pixel, also the smallest at the edge", () => {
  for (const diameter of [1, 2, 12]) for (const p of [[0, 0], [10, 6], [3.02, 3.97], [-4, 2]]) {
    for (const polygon of brushed([p], diameter, 10, 6)) assert.equal(holdsPixel(polygon, 10, 6), true);
  }
  assert.equal(brushed([[1, 1], [1.1, 1], [8, 1]], 3, 10, 6).length, 1);
});

test("a capsule reaches its radius everywhere", () => {
  for (const [x, y] of capsule([0, 0], [10, 0], 2)) {
    const away = x < 0 ? Math.hypot(x, y) : x > 10 ? Math.hypot(x - 10, y) : Math.abs(y);
    assert.ok(away >= 2 - 1e-9 && away < 2.05);
  }
});

test("lines keep what matters", () => {
  assert.deepEqual(simplified([[0, 0], [1, 0.01], [2, 0], [2, 5]], 0.1), [[0, 0], [2, 0], [2, 5]]);
  assert.equal(thinned([[0, 0], [0.1, 0], [0.2, 0], [5, 0]], 1).length, 2);
  assert.deepEqual(straightened([0, 0], [10, 1]).map(Math.round), [10, 0]);
  assert.deepEqual(clamped([-1, 99], 10, 6), [0, 6]);
});
