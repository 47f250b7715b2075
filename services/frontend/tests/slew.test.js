import assert from "node:assert/strict";
import { test } from "node:test";

import { SlewedOffset } from "../src/frontend/static/slew.js";

test("it slews by half a millisecond a second, and stops at its target", () => {
  const offset = new SlewedOffset();
  offset.step(0, 100, 0);
  offset.slew(0, 101, 0);
  assert.equal(offset.at(0), 100);
  assert.equal(offset.at(1000), 100.5);
  assert.equal(offset.at(2000), 101);
  assert.equal(offset.at(9000), 101);
});

test("it follows the drift", () => {
  const offset = new SlewedOffset();
  offset.step(0, 100, 140e-6);
  assert.equal(offset.at(10_000), 101.4);
});

test("a new slew begins wherever the last one has got to", () => {
  const offset = new SlewedOffset();
  offset.step(0, 0, 0);
  offset.slew(0, 10, 0);
  offset.slew(1000, -10, 0);
  assert.equal(offset.at(1000), 0.5);
  assert.equal(offset.at(2000), 0);
});
