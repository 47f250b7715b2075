import assert from "node:assert/strict";
import { test } from "node:test";

import { cases } from "./cases.js";
import { holds, leadMs, number } from "../src/frontend/static/written.js";

const written = cases("written-cases.json");

test("numbers are written as people do", () => {
  for (const { text, is } of written.numbers) assert.equal(number(text), is, text);
});

test("minutes are written as people do, and what is not valid is not a number", () => {
  for (const { text, is } of written.minutes) assert.equal(leadMs(text), is ?? NaN, text);
  assert.equal(leadMs(""), 0);
  for (const text of ["-5", "144001", "1,440,000", "101d", "Infinity"]) assert.ok(Number.isNaN(leadMs(text)), text);
});

test("planned holds are written as people do, and the one that is not valid is named", () => {
  for (const { text, is, wrong } of written.holds) assert.deepEqual(holds(text), is ?? wrong, text);
});
