import assert from "node:assert/strict";
import { test } from "node:test";
import { change, endGesture, recipeOf, redo, restart, state, strokesOf, undo, undoable, wish, wishOf, withRecipe, withStrokes } from "../../src/afmend/apps/web/static/js/store.js";

const start = () => {
  restart({ common: { name: "c", steps: [{ step: "level.plane", params: {} }] }, own: {}, strokes: {} });
  state.doc = { ref: "root/a", name: "a", frame: 0, channel: null };
};
const setting = (value) => (work) => withRecipe(work, { ...recipeOf(), steps: [{ step: "level.plane", params: { value } }] });

test("a drag is one entry, the next drag another", () => {
  start();
  for (const value of [1, 2, 3]) change("drag", setting(value), { gesture: "g#1", drag: true });
  endGesture();
  for (const value of [4, 5]) change("drag", setting(value), { gesture: "g#1", drag: true });
  assert.equal(undoable().depth, 2);
  undo();
  assert.equal(wish().steps[0].params.value, 3);
  undo();
  assert.deepEqual(wish().steps[0].params, {});
  assert.equal(undo(), null);
  redo();
  redo();
  assert.equal(wish().steps[0].params.value, 5);
  assert.equal(redo(), null);
});

test("drawings and parameters share one history", () => {
  start();
  change("p", setting(1));
  change("s", (work) => withStrokes(work, "root/a", [{ layer: "add", tool: "lasso", polygons: [] }]));
  assert.equal(strokesOf().length, 1);
  undo();
  assert.equal(strokesOf().length, 0);
  assert.equal(wish().steps[0].params.value, 1);
  change("q", setting(2));
  assert.equal(undoable().redo, "");
});

test("a file with a recipe of its own keeps it; skipped steps are not sent", () => {
  start();
  change("own", (work) => ({ ...work, own: { "root/a": structuredClone(work.common) } }));
  change("p", setting(7));
  assert.equal(wishOf("root/a").steps[0].params.value, 7);
  assert.deepEqual(wishOf("root/b").steps[0].params, {});
  change("skip", (work) => withRecipe(work, { ...recipeOf(), steps: [{ step: "level.plane", params: {}, off: true }] }));
  assert.deepEqual(wish().steps, []);
});

test("the history does not grow without end", () => {
  start();
  for (let i = 0; i < 500; i++) change("x", setting(i));
  assert.equal(undoable().depth, 300);
});

test("what was undone names its file, and none where all are touched", () => {
  start();
  change("draw", (work) => withStrokes(work, "root/a", [{ layer: "add", tool: "lasso", polygons: [] }]));
  change("p", setting(3));
  assert.deepEqual(undo(), { label: "p", ref: "" });
  assert.deepEqual(undo(), { label: "draw", ref: "root/a" });
  state.doc = { ref: "root/b", name: "b", frame: 0, channel: null };
  assert.deepEqual(redo(), { label: "draw", ref: "root/a" });
});
