import assert from "node:assert/strict";
import { test } from "node:test";

import { Beat } from "../src/frontend/static/beat.js";
import { World } from "./world.js";

/** A world whose clock goes on a little with every look at it, so that a wait in place ends. */
function armed(ms) {
  const world = new World();
  let ahead = 0;
  let looks = 0;
  const time = () => world.truth + ahead + 0.01 * ++looks;
  const beat = new Beat(world.surroundings, time);
  const drawn = [];
  beat.at(ms, () => drawn.push(world.truth));
  return { world, drawn, setBack: (by) => (ahead -= by), looks: () => looks };
}

test("it calls at its moment, after a short wait in place", () => {
  const { world, drawn } = armed(500);
  world.pass(495);
  assert.equal(drawn.length, 1);
});

test("a clock that was set back meanwhile is not waited for in place", () => {
  const { world, drawn, setBack, looks } = armed(500);
  setBack(2000);
  world.pass(600);
  assert.ok(looks() < 10, `${looks()}`);
  assert.equal(drawn.length, 0);
  world.pass(2000);
  assert.equal(drawn.length, 1);
});
