import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, initial, isMoving, resume, stateAt } from "../src/frontend/static/room.js";
import { cases } from "./cases.js";

const TERMS = { room: "main", run: "a", from: 10, interval_ms: 1000, starts_at: 0, by: "s" };
const tick = (seq, remaining) => ({ type: "tick", ...TERMS, remaining, due: 0, emitted: 0, seq });
const message = (seq) => ({ type: "message", seq, room: "main", text: "hello", at: 0 });
const hello = (seq, remaining, epoch = "e") => ({
  type: "hello", protocol: 1, room: "main", epoch, seq, server_time: 0, instance: "c", viewers: 1,
  replayed: 0, complete: true, state: { status: "running", run: "a", from: 10, interval_ms: 1000, starts_at: 0, remaining },
});
const after = (...frames) => frames.reduce(apply, initial);

for (const { name, event, state } of cases("state-cases.json")) {
  test(`the state is the coordinator's: ${name}`, () => {
    const room = event === null ? initial : apply(initial, { ...event, seq: 1 });
    assert.deepEqual(room.state, { ...initial.state, ...state });
  });
}

test("what is replayed does not undo the state that `hello` reported", () => {
  const greeted = after(hello(12, 8), tick(10, 10));
  assert.equal(greeted.state.remaining, 8);
  assert.equal(apply(greeted, tick(13, 7)).state.remaining, 7);
});

test("a tick that carries no terms leaves them as they are", () => {
  const terms = { ...initial.state, ...hello(12, 8).state };
  const room = after({ ...hello(12, 8), state: terms }, { type: "tick", seq: 13, remaining: 7 });
  assert.deepEqual([room.seq, room.stateSeq, room.state], [13, 13, { ...terms, remaining: 7 }]);
  assert.equal(apply(room, { type: "tick", seq: 13, remaining: 7 }), room);
  const over = apply(room, { type: "tick", seq: 14, remaining: 0 });
  assert.deepEqual(over.state, { ...terms, status: "finished", remaining: 0, finished_at: 10_000 });
});

test("a replayed tick without terms undoes nothing", () => {
  const greeted = after(hello(12, 8), { type: "tick", seq: 10, remaining: 10 });
  assert.deepEqual([greeted.seq, greeted.state.remaining], [10, 8]);
});

test("only a running number, or one beyond zero, changes by itself", () => {
  const moving = (status, after_zero = "stop") => isMoving({ ...initial.state, status, after_zero });
  assert.deepEqual(["idle", "scheduled", "held", "finished", "cancelled"].map((status) => moving(status)), Array(5).fill(false));
  assert.deepEqual([moving("running"), moving("finished", "count")], [true, true]);
});

test("a frame that was received before changes nothing", () => {
  const room = after(hello(12, 8), tick(11, 9), message(13));
  for (const frame of [tick(11, 9), message(13), message(12)]) assert.equal(apply(room, frame), room);
  const again = apply(room, hello(14, 7));
  assert.equal(apply(again, message(13)), again);
});

test("a frame that is no event changes nothing", () => {
  const room = after(hello(12, 8));
  const frames = [
    { type: "pong", id: 1, server_time: 0 },
    { type: "viewers", room: "main", count: 3 },
    { type: "bye", reason: "restarting", reconnect_ms: 1000 },
    /** @type {any} */ ({ type: "weather", seq: 13 }),
  ];
  for (const frame of frames) assert.equal(apply(room, frame), room);
});

test("a new epoch begins its own sequence", () => {
  const room = after(hello(12, 8), message(12), hello(2, 10, "other"));
  assert.notEqual(apply(room, message(1)), room);
});

test("a stream that was restored from a backup goes on from where the backup ends", () => {
  const restored = after(hello(12, 8), tick(13, 7), tick(14, 6), hello(12, 8));
  assert.equal(restored.state.remaining, 8);
  assert.equal(resume(restored), "&epoch=e&after=12");
  assert.equal(apply(restored, tick(13, 5)).state.remaining, 5);
});

test("it resumes after the last frame received", () => {
  assert.equal(resume(initial), "");
  assert.equal(resume(after(hello(12, 8, "e:1"), message(12))), "&epoch=e%3A1&after=12");
});

const change = (seq, type, at, more) => ({ type, ...TERMS, change: `c${seq}`, remaining: 7, at, seq, ...more });
/** The changes whose terms count at each of `moments`. */
const changesAt = (room, ...moments) => moments.map((moment) => stateAt(room, moment).state.change);

test("a change counts from its own moment, and before it what counted before", () => {
  const room = after(hello(12, 7), change(13, "adjusted", 3400, { from: 20, seconds: 10 }), tick(14, 6));
  assert.deepEqual(stateAt(room, 3399).state.from, 10);
  assert.equal(stateAt(room, 3399).until, 3400);
  assert.equal(stateAt(room, 3400).state.remaining, 6);
  assert.equal(stateAt(room, 3400).until, null);
});

test("changes that follow each other at once count one after the other", () => {
  const resumed = after(hello(12, 7), change(13, "held", 0, { held_at: 3000 }), change(14, "resumed", 3200));
  const room = [change(15, "adjusted", 3300), change(16, "held", 0, { held_at: 3350 })].reduce(apply, resumed);
  assert.deepEqual(changesAt(room, 3199, 3200, 3299, 3300), ["c13", "c14", "c14", "c16"]);
  assert.equal(stateAt(room, 3300).state.held_at, 3350);
});

test("what counted long before a change is forgotten, and all of it with another run", () => {
  const room = after(hello(12, 7), change(13, "resumed", 1000), change(14, "resumed", 5000));
  assert.deepEqual(room.earlier.map(({ until }) => until), [5000]);
  const started = apply(room, { type: "started", ...TERMS, run: "b", seq: 15 });
  assert.deepEqual(started.earlier, []);
});
