import assert from "node:assert/strict";
import { test } from "node:test";

import { nextTime, onDate } from "../src/frontend/static/time-of-day.js";

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

test("a date and a time are that moment by the browser's clock", () => {
  process.env.TZ = "Europe/Berlin";
  const at = (text) => Date.parse(text);
  const now = at("2026-10-25T02:45+02:00");
  for (const [date, clock, moment] of [
    ["2027-03-07", "18:00:30", "2027-03-07T18:00:30+01:00"],
    ["2027-07-01", "09:15", "2027-07-01T09:15+02:00"],
    // 25 October 2026: from 3:00 back to 2:00.
    ["2026-10-25", "02:50", "2026-10-25T02:50+02:00"],
    ["2026-10-25", "02:30", "2026-10-25T02:30+01:00"],
    ["2026-10-25", "01:30", "2026-10-25T01:30+02:00"], // it is over, which the scheduler says
  ])
    assert.equal(onDate(date, clock, now), at(moment), `${clock} on ${date}`);
  // 28 March 2027: from 2:00 on to 3:00.
  assert.equal(onDate("2027-03-28", "02:30", now), NaN);
});
