import assert from "node:assert/strict";
import { test } from "node:test";

import { greeted, happened, isNew, read, resume, unknown } from "../src/frontend/static/room.js";
import { showing } from "../src/frontend/static/countdown.js";

const TERMS = { room: "main", run: "a", from: 10, interval_ms: 1000, starts_at: 0, by: "s" };
const tick = (seq, remaining) => ({ type: "tick", ...TERMS, remaining, due: 0, emitted: 0, seq });
const hello = (seq, remaining, epoch = "e") => ({
  type: "hello", protocol: 1, room: "main", epoch, seq, server_time: 0, instance: "c", viewers: 1,
  replayed: 0, complete: true, state: { status: "running", run: "a", from: 10, interval_ms: 1000, starts_at: 0, remaining },
});

test("what is replayed does not undo the state that the greeting told", () => {
  let room = greeted(unknown, hello(12, 8));
  room = happened(room, tick(10, 10));
  assert.equal(room.state.remaining, 8);
  room = happened(room, tick(13, 7));
  assert.equal(room.state.remaining, 7);
});

test("a frame that was seen is not new", () => {
  let room = greeted(unknown, hello(12, 8));
  assert.ok(isNew(room, { seq: 3 }));
  room = read(room, { seq: 3 });
  assert.ok(!isNew(room, { seq: 3 }));
  room = greeted(room, hello(12, 8));
  assert.ok(!isNew(room, { seq: 3 }));
});

test("a new epoch begins its own sequence", () => {
  let room = read(greeted(unknown, hello(12, 8)), { seq: 12 });
  room = greeted(room, hello(2, 10, "other"));
  assert.ok(isNew(room, { seq: 1 }));
});

test("it resumes after the last that was seen", () => {
  assert.equal(resume(unknown), "");
  const room = read(greeted(unknown, hello(12, 8, "e:1")), { seq: 12 });
  assert.equal(resume(room), "&epoch=e%3A1&after=12");
});

test("a run ends at zero or where it is cancelled", () => {
  const room = greeted(unknown, hello(12, 1));
  assert.equal(happened(room, tick(13, 0)).state.status, "finished");
  const cancelled = happened(room, { type: "cancelled", ...TERMS, remaining: 1, seq: 13 });
  assert.equal(cancelled.state.status, "cancelled");
});

test("what a newer version says of a room is not taken for anything that is known", () => {
  const room = greeted(unknown, hello(12, 8));
  const held = /** @type {any} */ ({ type: "held", ...TERMS, seq: 13 });
  assert.equal(happened(room, held).state.status, "unknown");
  assert.equal(showing(happened(room, held).state, Date.now()).number, null);
});
