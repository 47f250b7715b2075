import assert from "node:assert/strict";
import { test } from "node:test";

import { next } from "../src/frontend/static/controls.js";

test("a time of day is the next one, today or tomorrow", () => {
  const noon = new Date(2026, 10, 23, 12, 0, 0).getTime();
  assert.equal(next("12:30", noon), new Date(2026, 10, 23, 12, 30, 0).getTime());
  assert.equal(next("11:59:30", noon), new Date(2026, 10, 24, 11, 59, 30).getTime());
});
