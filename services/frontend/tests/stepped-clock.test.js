import assert from "node:assert/strict";
import { test } from "node:test";

import { SteppedClock } from "../src/frontend/static/stepped-clock.js";
import { World, randomness } from "./world.js";

/** A clock in a world where a read takes `readMs`. */
function watched({ step, readMs = 1e-4, random }) {
  const world = new World({ offset: 1234.5, step, random });
  let reads = 0;
  const clock = new SteppedClock(() => {
    reads += 1;
    world.truth += readMs;
    return world.env.now();
  });
  return { world, clock, reads: () => reads };
}

for (const step of [0.1, 1])
  test(`a step of ${step} ms is learned at once`, () => {
    const { world, clock } = watched({ step });
    clock.learn(world.env.setTimer);
    assert.ok(Math.abs(clock.step - step) < 1e-6, `${clock.step}`);
  });

for (const step of [1, 1000 / 60, 100]) {
  test(`a step of ${step} ms is learned within half a second, even if it is too long to wait in place`, () => {
    const { world, clock, reads } = watched({ step, readMs: 1e-6 });
    clock.learn(world.env.setTimer);
    assert.ok(reads() <= 50_001, `${reads()}`);
    world.pass(500);
    assert.ok(Math.abs(clock.step - step) < 1e-6, `${clock.step}`);
    const before = reads();
    world.pass(10_000);
    assert.equal(reads(), before);
  });

  test(`a clock that is rounded up or down by chance to ${step} ms never seems finer`, () => {
    const draw = randomness(3);
    const drawn = new Map();
    const random = (at) => drawn.get(at) ?? drawn.set(at, draw()).get(at);
    const { world, clock } = watched({ step, random });
    for (let turn = 0; turn < 100; turn += 1) {
      clock.learn(world.env.setTimer);
      world.pass(600);
    }
    assert.ok(Math.abs(clock.step - step) < 1e-6, `${clock.step}`);
  });
}

test("a clock that stands still is not waited for", () => {
  const { world, clock } = watched({ step: Infinity, readMs: 0 });
  clock.learn(world.env.setTimer);
  world.pass(10_000);
  assert.equal(clock.step, Infinity);
});
