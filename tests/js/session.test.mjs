import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= { addEventListener() {}, getElementById: () => null };
globalThis.window ??= { addEventListener() {} };
const { newer } = await import("../../src/afmend/apps/web/static/js/session.js");
const { decoded } = await import("../../src/afmend/apps/web/static/js/files.js");

const kept = (/** @type {string} */ tab, /** @type {number} */ count, root = "scans") => ({ tab, count, root });

test("of what the server and the browser kept, the later one counts", () => {
  const [old, late] = [kept("a", 3), kept("a", 4)];
  assert.equal(newer("a", "scans", old, late), late);
  assert.equal(newer("a", "scans", late, old), late);
  assert.equal(newer("a", "scans", null, old), old);
  assert.equal(newer("a", "scans", old, null), old);
  assert.equal(newer("a", "scans", null, null), null);
});

test("another tab's or folder's work replaces none", () => {
  const mine = kept("a", 3);
  assert.equal(newer("a", "scans", mine, kept("b", 9)), mine);
  assert.equal(newer("a", "scans", mine, kept("a", 9, "other")), mine);
  assert.equal(newer("a", "scans", null, kept("a", 9, "other")), null);
  assert.deepEqual(newer("a", "scans", kept("b", 9), mine), mine); // the server had only another tab's
});

test("references are read whatever bytes they name", () => {
  assert.equal(decoded("scan%201.spm"), "scan 1.spm");
  assert.equal(decoded("%C3%A4/%E4.gwy"), "ä/\ufffd.gwy");
  assert.equal(decoded("100%"), "100%");
});

test("without a scan in sight nothing is waited for", async () => {
  const { busy, run } = await import("../../src/afmend/apps/web/static/js/net.js");
  run();
  assert.equal(busy(), false);
});
