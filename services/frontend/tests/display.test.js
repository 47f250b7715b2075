import assert from "node:assert/strict";
import { test } from "node:test";

import { caption } from "../src/frontend/static/display.js";

test("in its last second a scheduled run is starting", () => {
  const startsAt = 1_000_000;
  const said = (ms) => caption({ status: "scheduled", startsAt, time: startsAt - ms });
  assert.match(said(1001), /^starts at .*, in 2 s$/);
  assert.equal(said(1000), "starting");
  assert.equal(said(-249), "starting");
});
