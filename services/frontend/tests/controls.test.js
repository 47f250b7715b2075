import assert from "node:assert/strict";
import { test } from "node:test";

import { cases } from "./cases.js";
import { leadMs, nextTime } from "../src/frontend/static/controls.js";

test("a time of day is the next one, today or tomorrow", () => {
  const noon = new Date(2026, 10, 23, 12, 0, 0).getTime();
  assert.equal(nextTime("12:30", noon), new Date(2026, 10, 23, 12, 30, 0).getTime());
  assert.equal(nextTime("11:59:30", noon), new Date(2026, 10, 24, 11, 59, 30).getTime());
});

test("around the end of summer time it is the next of two, around its beginning never one that is not", () => {
  process.env.TZ = "Europe/Berlin";
  const at = (text) => Date.parse(text);
  for (const [clock, now, next] of [
    // 25 October 2026: from 3:00 back to 2:00.
    ["02:30", "2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00"],
    ["02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00"],
    ["02:40", "2026-10-25T02:30+02:00", "2026-10-25T02:40+02:00"],
    ["02:40", "2026-10-25T02:30+01:00", "2026-10-25T02:40+01:00"],
    ["02:20", "2026-10-25T02:30+01:00", "2026-10-26T02:20+01:00"],
    ["03:00", "2026-10-25T02:30+02:00", "2026-10-25T03:00+01:00"],
    // 28 March 2027: from 2:00 on to 3:00.
    ["02:30", "2027-03-28T01:50+01:00", "2027-03-29T02:30+02:00"],
    ["03:10", "2027-03-28T01:50+01:00", "2027-03-28T03:10+02:00"],
    ["01:10", "2027-03-28T01:50+01:00", "2027-03-29T01:10+02:00"],
  ])
    assert.equal(new Date(nextTime(clock, at(now))).toISOString(), new Date(at(next)).toISOString(), `${clock} at ${now}`);
  process.env.TZ = "Australia/Lord_Howe";
  // 4 April 2027: from 2:00 back to 1:30.
  assert.equal(nextTime("01:35", at("2027-04-04T01:50+11:00")), at("2027-04-04T01:35+10:30"));
});

test("minutes are written as people do, and what is not valid is not a number", () => {
  for (const { minutes, ms } of cases("minutes-cases.json")) assert.equal(leadMs(minutes), ms, minutes);
  assert.equal(leadMs(""), 0);
  for (const text of ["5 min", "-5", "1441", "1,441", "1,440,000", "soon", "Infinity"]) {
    assert.ok(Number.isNaN(leadMs(text)), text);
  }
});
