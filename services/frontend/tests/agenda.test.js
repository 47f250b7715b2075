import assert from "node:assert/strict";
import { test } from "node:test";

import { Agenda } from "../src/frontend/static/agenda.js";
import { World } from "./world.js";

/** An agenda in a world whose clock goes on by itself while it is read, as in a busy-wait. */
function agenda(world, onDue = () => {}) {
  const came = [];
  const time = () => (world.truth += 0.01);
  const one = new Agenda(world.env, time, (due) => {
    came.push([Math.round(world.truth), ...due]);
    onDue(one, due);
  });
  return { one, came };
}

test("each comes at its moment, the earliest first, whatever the order in which they were set", () => {
  const world = new World();
  const { one, came } = agenda(world);
  for (const [key, moment] of [["c", 300], ["a", 100], ["b", 200]]) one.set(key, moment);
  world.pass(1000);
  assert.deepEqual(came, [[100, "a"], [200, "b"], [300, "c"]]);
});

test("those of one moment come together, and in the order of their moments", () => {
  const world = new World();
  const { one, came } = agenda(world);
  for (const [key, moment] of [["late", 50.001], ["c", 50], ["a", 50], ["b", 49.999]]) one.set(key, moment);
  world.pass(1000);
  assert.deepEqual(came, [[50, "b", "c", "a", "late"]]);
});

test("a moment is replaced or taken away, and that of another stays", () => {
  const world = new World();
  const { one, came } = agenda(world);
  one.set("a", 100);
  one.set("b", 150);
  one.set("c", 200);
  one.set("a", 400);
  one.set("b", null);
  world.pass(1000);
  assert.deepEqual(came, [[200, "c"], [400, "a"]]);
});

test("twenty that are set again while they are due lose none, also far ahead", () => {
  const world = new World();
  const { one, came } = agenda(world, (again, due) => {
    for (const key of due) if (world.truth < 9000) again.set(key, (Math.floor(world.truth / 1000) + 1) * 1000 + key);
  });
  for (let key = 0; key < 200; key += 10) one.set(key, 3000 + key);
  world.pass(12_000);
  const moments = came.flatMap(([at, ...keys]) => keys.map((key) => at - key));
  assert.equal(moments.length, 20 * 7);
  assert.ok(moments.every((moment) => moment % 1000 <= 1), `${moments}`);
});
