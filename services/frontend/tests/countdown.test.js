import assert from "node:assert/strict";
import { test } from "node:test";

import { DELAY_MS, showing, text } from "../src/frontend/static/countdown.js";

const START = 1_000_000;
const TERMS = { run: "a", from: 10, interval_ms: 1000, starts_at: START };
const at = (ms, state) => showing({ ...TERMS, status: "running", remaining: 10, ...state }, START + DELAY_MS + ms);

test("each number is shown a fixed time after it is due", () => {
  assert.equal(at(0).number, 10);
  assert.equal(at(999.9).number, 10);
  assert.equal(at(1000).number, 9);
  assert.equal(at(10_000).number, 0);
  assert.equal(at(60_000).number, 0);
});

test("it says when there is something else to be seen", () => {
  assert.equal(at(0).nextAt, START + 1000 + DELAY_MS);
  assert.equal(at(10_000).nextAt, null);
});

test("zero is not seen early, though it is known", () => {
  const known = (ms) => at(ms, { status: "finished", remaining: 0 });
  assert.deepEqual([known(9999).status, known(9999).number], ["running", 1]);
  assert.deepEqual([known(10_000).status, known(10_000).number], ["finished", 0]);
});

test("before the first number there is none", () => {
  const early = at(-1, { status: "scheduled", remaining: null });
  assert.deepEqual([early.status, early.number, early.nextAt], ["scheduled", null, START + DELAY_MS]);
});

test("an overdue tick does not freeze the number, but is said to be late", () => {
  const late = at(5000, { remaining: 8 });
  assert.deepEqual([late.number, late.isLate], [5, true]);
  assert.equal(at(5000, { remaining: 5 }).isLate, false);
  assert.equal(at(5000, { remaining: 6 }).isLate, false);
});

test("a cancelled run stays at its last number", () => {
  assert.equal(at(9000, { status: "cancelled", remaining: 7 }).number, 7);
  assert.equal(at(9000, { status: "cancelled", remaining: null }).number, null);
});

test("the ring runs down between the numbers", () => {
  assert.equal(at(0).left, 1);
  assert.equal(at(500).left, 0.95);
  assert.equal(at(10_000).left, 0);
});

test("above a minute the ring is the minute's", () => {
  const long = (ms) => at(ms, { from: 90, remaining: 90 }).left;
  assert.equal(long(0), 0.5);
  assert.equal(long(30_000), 1);
  assert.equal(long(60_000), 0.5);
});

test("numbers above 59 can be minutes and seconds", () => {
  assert.equal(text(60, false), "60");
  assert.equal(text(59, true), "59");
  assert.equal(text(60, true), "1:00");
  assert.equal(text(3600, true), "1:00:00");
  assert.equal(text(86_399, true), "23:59:59");
});
