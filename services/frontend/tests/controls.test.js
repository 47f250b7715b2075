import assert from "node:assert/strict";
import { test } from "node:test";

import { leadMs, newId, nextTime, repeatable } from "../src/frontend/static/controls.js";

test("a time of day is the next one, today or tomorrow", () => {
  const noon = new Date(2026, 10, 23, 12, 0, 0).getTime();
  assert.equal(nextTime("12:30", noon), new Date(2026, 10, 23, 12, 30, 0).getTime());
  assert.equal(nextTime("11:59:30", noon), new Date(2026, 10, 24, 11, 59, 30).getTime());
});

test("minutes are written as people do, and what is not valid is not a number", () => {
  assert.deepEqual(["", "0", "5", "1.5", "1,5", "1440"].map(leadMs), [0, 0, 300_000, 90_000, 90_000, 86_400_000]);
  for (const text of ["5 min", "-5", "1441", "soon", "Infinity"]) {
    assert.ok(Number.isNaN(leadMs(text)), text);
  }
});

test("a form is asked again as the same request while its outcome is unknown, and then as a new one", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.FormData = Map; // a form is its fields here
  const ask = repeatable(() => ({ method: "POST", address: "/", body: { id: newId() } }));
  const form = new Map([["text", "hello"]]);

  const lost = ask(form);
  assert.equal(ask(form), lost, "without an answer");
  lost.onAnswer(503);
  context.mock.timers.tick(9_000);
  assert.equal(ask(form), lost, "with an answer that leaves it open");
  assert.notEqual(ask(new Map([["text", "goodbye"]])).body.id, lost.body.id, "with other fields");

  const done = ask(form);
  done.onAnswer(201);
  context.mock.timers.tick(499);
  assert.equal(ask(form), done, "by a double click");
  context.mock.timers.tick(1);
  const refused = ask(form);
  assert.notEqual(refused.body.id, done.body.id, "once it is done");
  refused.onAnswer(409);
  context.mock.timers.tick(0);
  const late = ask(form);
  assert.notEqual(late.body.id, refused.body.id, "once it is refused");
  context.mock.timers.tick(10_000);
  assert.notEqual(ask(form).body.id, late.body.id, "long after");
});
