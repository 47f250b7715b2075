import assert from "node:assert/strict";
import { test } from "node:test";

import { status } from "../src/frontend/static/status.js";

const WELL = {
  phase: "open", transport: "WebSocket", reason: "", failures: 0, isTurnedAway: false, isOnline: true, retryIn: 0, silentFor: 300, quietMs: 2000,
  isKnown: true, bound: 2.4, step: 0.1, isCounting: true, isLate: false,
};
const told = (facts) => {
  const { light, words } = status({ ...WELL, ...facts });
  return [light, words];
};

test("green says by how much, never by less", () => {
  assert.deepEqual(told({}), ["green", "in step, ± 3 ms"]);
});

test("a browser's clock of large steps is named as the reason", () => {
  assert.deepEqual(told({ bound: 25.1, step: 16.7 }), [
    "green",
    "in step, ± 26 ms, this browser's clock has steps of 17 ms",
  ]);
});

test("without a WebSocket it says what goes instead", () => {
  assert.deepEqual(told({ transport: "SSE" }), ["green", "in step, ± 3 ms, by SSE"]);
  assert.deepEqual(told({ transport: "polling" }), [
    "amber",
    "a change is up to a second late, ± 3 ms, by polling, without messages",
  ]);
});

test("a clock that is not known is amber", () => {
  assert.deepEqual(told({ isKnown: false }), ["amber", "finding the time"]);
});

test("a lost connection during a run is an estimate, with how old it is and when it goes on", () => {
  assert.deepEqual(told({ phase: "waiting", silentFor: 3200, retryIn: 1500 }), [
    "estimating",
    "estimating, last heard 4 s ago, next try in 2 s",
  ]);
  assert.deepEqual(told({ silentFor: 3200 }), ["estimating", "estimating, last heard 4 s ago"]);
});

test("a run that only the page itself told of is an estimate", () => {
  const told = status({ ...WELL, phase: "waiting", silentFor: null, retryIn: 900 });
  assert.deepEqual([told.light, told.words], ["estimating", "estimating, next try in 1 s"]);
});

test("a late tick is an estimate though the connection is well", () => {
  assert.deepEqual(told({ isLate: true }), ["estimating", "estimating, a tick is late"]);
});

test("waiting without a run is amber, with a button", () => {
  const waiting = status({ ...WELL, phase: "waiting", silentFor: null, retryIn: 900, isCounting: false });
  assert.deepEqual(waiting, { light: "amber", words: "next try in 1 s", canTry: true });
  assert.deepEqual(told({ phase: "connecting", silentFor: null, isCounting: false })[0], "amber");
});

test("an offline device waits for the network", () => {
  const words = told({ phase: "waiting", silentFor: null, isOnline: false, isCounting: false })[1];
  assert.equal(words, "this device is offline");
});

test("a refusal is red and says why", () => {
  assert.deepEqual(told({ phase: "refused", reason: "not you" }), ["red", "not you"]);
});

test("a coordinator that is there but takes nobody is red, and is tried on", () => {
  const turned = status({ ...WELL, phase: "waiting", silentFor: null, isTurnedAway: true, retryIn: 900 });
  assert.deepEqual([turned.light, turned.canTry], ["red", true]);
  assert.match(turned.words, /does not take this page.*next try in 1 s/);
});
