import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= { addEventListener() {}, getElementById: () => null };
globalThis.window ??= { addEventListener() {} };
const { emit, restart, state, strokesOf } = await import("../../src/afmend/apps/web/static/js/store.js");
const { cancel, choose, lose, move, press, release, sketch } = await import("../../src/afmend/apps/web/static/js/sketch.js");

const start = (/** @type {string} */ tool) => {
  cancel();
  restart({ common: { name: "c", steps: [] }, own: {}, strokes: {} });
  state.doc = { ref: "root/a", name: "a", frame: 0, channel: null };
  state.info = { grid: { cols: 100, rows: 80 } };
  state.areas = [];
  state.view.tool = tool;
};
const drag = (/** @type {number[][]} */ ...points) => {
  press("mask", points[0]);
  for (const point of points.slice(1)) move(point);
  release(points[points.length - 1]);
};
const box = (/** @type {number[][]} */ points) => [Math.min(...points.map((p) => p[0])), Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[0])), Math.max(...points.map((p) => p[1]))];

for (const [name, end] of /** @type {[string, () => void][]} */ ([["Escape", cancel], ["another tool", () => { choose("pan"); choose(state.view.tool); }], ["another file", () => emit("doc")], ["a lost pointer", lose]])) {
  for (const tool of ["rectangle", "area"]) {
    test(`${name} in the middle of a drag leaves nothing to the next ${tool}`, () => {
      start(tool);
      press("mask", [10, 10]);
      move([40, 40]);
      end();
      state.view.tool = tool;
      release([40, 40]);
      assert.deepEqual(strokesOf("root/a"), []);
      drag([70, 60], [80, 70]);
      const drawn = tool === "area" ? state.areas[0] : strokesOf("root/a")[0].polygons[0];
      assert.deepEqual(box(drawn), [70, 60, 80, 70]);
    });
  }
}

test("a rectangle goes on from where it began, to every side", () => {
  start("rectangle");
  drag([50, 40], [60, 50], [30, 20]);
  assert.deepEqual(box(strokesOf("root/a")[0].polygons[0]), [30, 20, 50, 40]);
});

test("a lost pointer draws no half stroke, and leaves a polygon its corners", () => {
  start("lasso");
  press("mask", [10, 10]);
  for (const point of [[40, 10], [40, 40], [10, 40]]) move(point);
  lose();
  assert.deepEqual(strokesOf("root/a"), []);
  start("polygon");
  press("mask", [10, 10]);
  lose();
  assert.equal(sketch.points.length, 1);
});
