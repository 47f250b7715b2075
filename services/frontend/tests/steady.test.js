import assert from "node:assert/strict";
import { test } from "node:test";

import { Steady } from "../src/frontend/static/steady.js";

test("it goes to a new target by half a millisecond a second, and stays there", () => {
  const steady = new Steady();
  steady.step(0, 100, 0);
  steady.slew(0, 101, 0);
  assert.equal(steady.at(0), 100);
  assert.equal(steady.at(1000), 100.5);
  assert.equal(steady.at(2000), 101);
  assert.equal(steady.at(9000), 101);
});

test("it follows the drift", () => {
  const steady = new Steady();
  steady.step(0, 100, 140e-6);
  assert.equal(steady.at(10_000), 101.4);
});

test("a new target takes over from wherever it is", () => {
  const steady = new Steady();
  steady.step(0, 0, 0);
  steady.slew(0, 10, 0);
  steady.slew(1000, -10, 0);
  assert.equal(steady.at(1000), 0.5);
  assert.equal(steady.at(2000), 0);
});
