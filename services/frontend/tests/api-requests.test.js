import assert from "node:assert/strict";
import { test } from "node:test";

import { eachPress, newId, repeatable } from "../src/frontend/static/api-requests.js";

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

test("each press of an adjustment counts, but one after an unknown outcome is the same again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const ask = eachPress((action, value) => ({ method: "POST", address: action, body: { id: newId(), value } }));
  const press = (action, value = "") => ask(null, { formAction: `http://tminus/r/main/${action}`, value });

  const [one, two] = [press("adjust", "10"), press("adjust", "10")];
  assert.notEqual(one.body.id, two.body.id);
  assert.deepEqual([one.address, one.body.value], ["adjust", "10"]);
  one.onAnswer(200);
  two.onAnswer(504);
  assert.notEqual(press("adjust", "60").body.id, two.body.id, "another button");
  assert.equal(press("adjust", "10"), two, "the same button");
  assert.notEqual(press("adjust", "10"), two, "once it was asked again");
  two.onAnswer(504);
  context.mock.timers.tick(10_000);
  assert.notEqual(press("adjust", "10"), two, "long after");
});

test("a double click on Hold does not press Resume", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const ask = eachPress((action) => ({ method: "POST", address: action, body: null }));
  const press = (action) => ask(null, { formAction: `/r/main/${action}`, value: "" });
  assert.equal(press("hold").address, "hold");
  assert.equal(press("resume"), null);
  context.mock.timers.tick(500);
  assert.equal(press("resume").address, "resume");
});
