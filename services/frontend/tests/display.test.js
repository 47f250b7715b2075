import assert from "node:assert/strict";
import { test } from "node:test";

import { announced, caption, numberText } from "../src/frontend/static/display.js";

test("in its last second a scheduled run is starting", () => {
  const startsAt = 1_000_000;
  const said = (ms) => caption({ status: "scheduled", startsAt, time: startsAt - ms });
  assert.match(said(1001), /^starts at .*, in 2 s$/);
  assert.equal(said(1000), "starting");
  assert.equal(said(-249), "starting");
});

test("what is after zero has a plus sign, with minutes and seconds too", () => {
  const text = (isClock) => (number) => numberText({ number, intervalMs: 1000 }, isClock);
  assert.deepEqual([-1, -65].map(text(false)), ["+1", "+65"]);
  assert.deepEqual([-1, -65, -3661].map(text(true)), ["+1", "+1:05", "+1:01:01"]);
});

test("a hold, a resume and an adjustment are read out, and what follows as ever", () => {
  const number = (number, more) => ({ status: "running", number, isNew: true, isAdjusted: false, ...more });
  const told = (shown, before) => announced(shown, before, `${shown.number ?? ""}`.trim());
  assert.equal(told(number(42), "running"), "");
  assert.equal(told(number(42, { status: "held", isNew: false }), "running"), "held 42");
  assert.equal(told(number(42, { status: "held", isNew: false }), "held"), "");
  assert.equal(told(number(42, { isNew: false }), "held"), "resumed 42");
  assert.equal(told(number(52, { isAdjusted: true }), "running"), "52");
  assert.equal(told(number(10), "running"), "10");
  assert.equal(told(number(9, { status: "cancelled" }), "held"), "");
});
