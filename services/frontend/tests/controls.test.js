import assert from "node:assert/strict";
import { test } from "node:test";

import { leadMs, nextTime } from "../src/frontend/static/controls.js";

test("a time of day is the next one, today or tomorrow", () => {
  const noon = new Date(2026, 10, 23, 12, 0, 0).getTime();
  assert.equal(nextTime("12:30", noon), new Date(2026, 10, 23, 12, 30, 0).getTime());
  assert.equal(nextTime("11:59:30", noon), new Date(2026, 10, 24, 11, 59, 30).getTime());
});

test("minutes are written as people do, and what is not valid is not a number", () => {
  assert.deepEqual(["", "0", "5", "1.5", "1,5", "1440"].map(leadMs), [0, 0, 300_000, 90_000, 90_000, 86_400_000]);
  for (const text of ["5 min", "-5", "1441", "soon", "Infinity"]) {
    assert.ok(Number.isNaN(leadMs(text)), text);
  }
});
