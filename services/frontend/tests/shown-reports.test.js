import assert from "node:assert/strict";
import { test } from "node:test";

import { ShownReports } from "../src/frontend/static/shown-reports.js";
import { World } from "./world.js";

/** What a page reports of numbers that it draws, each at `[ms, shown]`. */
function reported(drawn, world = new World()) {
  const sent = [];
  const reports = new ShownReports(world.env, (shown) => sent.push(shown));
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
