import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../src/frontend/static/server-clock.js";
import { ShownReports } from "../src/frontend/static/shown-reports.js";
import { randomness, World } from "./world.js";

/** What a page reports of numbers that it draws, each at `[ms, shown]`. */
function reported(drawn, world = new World()) {
  const sent = [];
  const reports = new ShownReports(world.env, () => sent.push(reports.take()));
  for (const [ms, shown] of drawn) {
    world.pass(ms - world.truth);
    reports.add({ isNew: true, ...shown }, 1000 + ms);
  }
  return sent;
}

test("each number is reported once, with the moment at which it was drawn", () => {
  const drawn = [[0, { number: 2 }], [300, { number: 2, isNew: false }], [1000, { number: 1 }], [2000, { number: 0 }]];
  const sent = [{ number: 2, at: 1000 }, { number: 1, at: 2000 }, { number: 0, at: 3000 }];
  assert.deepEqual(reported(drawn), sent);
});

test("a hidden page reports nothing", () => {
  const hidden = new World();
  hidden.isHidden = true;
  assert.deepEqual(reported([[0, { number: 2 }]], hidden), []);
});

test("of a fast run it reports as many numbers as a viewer may send, and none that no tick has", () => {
  const drawn = Array.from({ length: 30 }, (_, n) => [n * 100, { number: 30 - n }]);
  assert.deepEqual(reported(drawn).map(({ number }) => number), [30, 21, 12, 3]);
  assert.deepEqual(reported([[0, { number: null }], [0, { number: -1 }]]), []);
});

/** What a page tells a coordinator 20 to 50 ms away while it loads and a run counts, and the most frames that
 * came in one of the coordinator's seconds. */
function toldWhileLoading(seed) {
  const random = randomness(seed);
  const world = new World();
  const env = { ...world.env, random };
  const told = [];
  const later = (run) => env.setTimer(run, 20 + 30 * random());
  let second = { began: -Infinity, frames: 0 };
  let most = 0;
  const receive = (id) => {
    if (world.truth - second.began >= 1000) second = { began: world.truth, frames: 0 };
    most = Math.max(most, (second.frames += 1));
    const server = world.truth;
    later(() => clock.onPong(id, server));
  };
  const send = (id) => {
    const shown = reports.take();
    if (shown) told.push(shown.number);
    later(() => receive(id));
    return true;
  };
  const clock = new ServerClock(env, send, () => {});
  const reports = new ShownReports(env, () => clock.soon(0));
  world.pass(1000 * random());
  clock.onHello("one", world.truth - 60, world.truth - 30);
  for (let number = 10; number >= 0; number -= 1) {
    reports.add({ isNew: true, number }, world.truth);
    world.pass(1000);
  }
  return { told, most };
}

test("a page that reports while its clock measures sends no more than a coordinator accepts, and tells every number", () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { told, most } = toldWhileLoading(seed);
    assert.ok(most <= 10, `${most} frames in a second`);
    assert.deepEqual(told, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  }
});

test("a report is told once", () => {
  const reports = new ShownReports(new World().env, () => {});
  reports.add({ isNew: true, number: 2 }, 1000);
  assert.deepEqual([reports.take(), reports.take()], [{ number: 2, at: 1000 }, null]);
});
