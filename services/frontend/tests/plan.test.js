import assert from "node:assert/strict";
import { test } from "node:test";

import { nextDue } from "../src/frontend/static/plan.js";
import { initial, stateOf } from "../src/frontend/static/room.js";
import { cases } from "./cases.js";

for (const { name, event, due } of cases("due-cases.json")) {
  test(`the page expects the next event when the schedulers store it: ${name}`, () => {
    assert.equal(nextDue(event === null ? initial.state : stateOf(event)), due);
  });
}
