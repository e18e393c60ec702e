import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

globalThis.document ??= {};
const { decode, Messages } = await import("../../src/afmend/apps/web/static/js/net.js");

// Written by frames.py; see tests/unit/apps/web/test_frames.py.
const golden = new Uint8Array(readFileSync(new URL("frames.bin", import.meta.url)));

function check(found) {
  assert.deepEqual(found.map((one) => one.head.t), ["step", "frame", "frame", "frame"]);
  const heights = decode(found[1].head, found[1].payload);
  assert.deepEqual(found[1].head.shape, [2, 3]);
  assert.deepEqual([...heights].map((v) => Math.round(1000 * (v + found[1].head.offset)) / 1000), [0, 1, 2, 3, 4, 5]);
  const preview = decode(found[2].head, found[2].payload);
  assert.equal(preview.length, found[2].head.shape[0] * found[2].head.shape[1]);
  assert.ok(preview[0] + found[2].head.offset < preview[1] + found[2].head.offset);
  assert.deepEqual([...decode(found[3].head, found[3].payload)], [0, 1 | 128, 0, 0, 0, 32]);
}

test("messages are cut, whatever the pieces", () => {
  for (const size of [1, 7, 64, 1 << 20]) {
    const messages = new Messages();
    const found = [];
    for (let at = 0; at < golden.length; at += size) found.push(...messages.push(golden.slice(at, at + size)));
    check(found);
  }
});
