import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= { addEventListener() {} };
globalThis.window ??= { addEventListener() {} };
const { outliers } = await import("../../src/afmend/apps/web/static/js/batch.js");

const batch = (count, change = {}) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, { Sq_mended: 1 + 0.05 * i, invented_percent: 0.2, ...change[i] }]));

test("few files, or files that are merely different, are not called unusual", () => {
  assert.equal(outliers(batch(6, { 0: { Sq_mended: 900 } })).size, 0);
  assert.equal(outliers(batch(9, { 2: { invented_percent: 1.9 } })).size, 0);
  const mixed = Object.fromEntries([0.05, 0.3, 1, 4, 8, 14, 90, 600, 1250].map((v, i) => [i, { Sq_mended: v, invented_percent: 0 }]));
  assert.equal(outliers(mixed).size, 0);
});

test("what stands out of a batch is named", () => {
  const found = outliers(batch(12, { 3: { Sq_mended: 40 }, 5: { invented_percent: 30 }, 7: { Sq_mended: null } }));
  assert.deepEqual([...found], [["f3", "roughness"], ["f5", "share filled"]]);
});
