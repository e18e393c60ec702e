import assert from "node:assert/strict";
import { test } from "node:test";
import { standing } from "../../src/afmend/apps/web/static/js/numbers.js";

test("a check mark stands only where all was measured and little invented", () => {
  assert.deepEqual(standing(0, 0, 0), { kind: "good", text: "✓ nothing to fill" });
  assert.deepEqual(standing(1.13, 0, 0), { kind: "good", text: "✓ 1.1 % filled" });
  assert.deepEqual(standing(24, 0, 0), { kind: "odd", text: "◐ 24 % filled" });
  assert.deepEqual(standing(0, 16, 16), { kind: "odd", text: "◐ 16 % open (16 % never measured)" });
  assert.deepEqual(standing(17, 0, 16), { kind: "odd", text: "◐ 17 % filled (16 % never measured)" });
  assert.deepEqual(standing(2, 1, 0), { kind: "odd", text: "◐ 2 % filled, 1 % open" });
});
