import assert from "node:assert/strict";
import { test } from "node:test";

import { OrderedTimers, PreciseTimer } from "../src/frontend/static/timers.js";
import { World } from "./world.js";

/** A timer in a world whose clock advances a little each time it is read, so that a busy-wait ends. */
function armed(ms) {
  const world = new World();
  let ahead = 0;
  let readings = 0;
  const time = () => world.truth + ahead + 0.01 * ++readings;
  const timer = new PreciseTimer(world.env, time);
  const calls = [];
  timer.set(ms, () => calls.push(world.truth));
  return { world, calls, setBack: (by) => (ahead -= by), readings: () => readings };
}

test("a precise timer fires at its moment, after a short busy-wait", () => {
  const { world, calls } = armed(500);
  world.pass(498.5);
  assert.equal(calls.length, 0);
  world.pass(0.6);
  assert.equal(calls.length, 1);
});

test("a precise timer does not busy-wait for a clock that was set back meanwhile", () => {
  const { world, calls, setBack, readings } = armed(500);
  setBack(2000);
  world.pass(600);
  assert.ok(readings() < 10, `${readings()}`);
  assert.equal(calls.length, 0);
  world.pass(2000);
  assert.equal(calls.length, 1);
});

for (const [moment, step] of [[550, 600], [605, 700]])
  test(`a precise timer does not wait in place for a clock of large steps, and sees ${step} soon`, () => {
    const world = new World({ step: 100 });
    let readings = 0;
    const timer = new PreciseTimer(world.env, () => {
      readings += 1;
      assert.ok(readings < 100, "it waits in place");
      return world.env.now();
    });
    const calls = [];
    timer.set(moment, () => calls.push(world.truth));
    world.pass(2000);
    assert.equal(calls.length, 1);
    assert.ok(calls[0] >= step && calls[0] < step + 5, `${calls[0]}`);
  });

test("ordered timers call first what was added first, even if its timer fires last", () => {
  const world = new World();
  const timers = new OrderedTimers(world.env);
  const called = [];
  for (const [name, ms] of [["a", 20], ["b", 50], ["c", 30], ["d", 60]]) timers.add(ms, () => called.push(name));
  world.pass(25);
  assert.deepEqual(called, ["a"]);
  world.pass(10);
  assert.deepEqual(called, ["a", "b", "c"]);
  world.pass(100);
  assert.deepEqual(called, ["a", "b", "c", "d"]);
});

test("a moment in 99 days, too far for a browser's timer, is looked at again in a second", () => {
  const world = new World();
  const asked = [];
  const env = { ...world.env, setTimer: (run, ms) => asked.push(ms) && world.env.setTimer(run, ms) };
  const calls = [];
  new PreciseTimer(env, () => world.truth).set(99 * 86_400_000, () => calls.push(world.truth));
  assert.deepEqual(asked, [1000]);
  world.pass(999);
  assert.deepEqual(calls, []);
  world.pass(1);
  assert.deepEqual(calls, [1000]);
});
