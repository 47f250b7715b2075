import assert from "node:assert/strict";
import { test } from "node:test";

import { Queue } from "../src/frontend/static/queue.js";
import { World } from "./world.js";

test("what came in first comes out first, though its timer fires last", () => {
  const world = new World();
  const queue = new Queue(world.surroundings.later);
  const out = [];
  for (const [name, ms] of [["a", 20], ["b", 50], ["c", 30], ["d", 60]]) queue.add(ms, () => out.push(name));
  world.pass(25);
  assert.deepEqual(out, ["a"]);
  world.pass(10);
  assert.deepEqual(out, ["a", "b", "c"]);
  world.pass(100);
  assert.deepEqual(out, ["a", "b", "c", "d"]);
});
