import assert from "node:assert/strict";
import { test } from "node:test";

import { expected, nothing, showNext } from "../src/frontend/static/countdown.js";
import { caption, numberText } from "../src/frontend/static/display.js";
import { initial } from "../src/frontend/static/room.js";
import { cases } from "./cases.js";

// Any delay: the page is told it in its data.
const DELAY = 250;
const START = 1_000_000;
const TERMS = { run: "a", from: 10, interval_ms: 1000, starts_at: START };

const running = (more) => ({ ...TERMS, status: "running", remaining: 10, ...more });
/** What is expected `ms` after the first number. */
const at = (ms, state) => expected(running(state), START + DELAY + ms, DELAY);

for (const { name, state: given, after, clock = false, number, left, ...words } of cases("countdown-cases.json")) {
  test(`the page shows what the first paint does: ${name}`, () => {
    const state = { ...initial.state, ...given };
    const shown = expected(state, (state.starts_at ?? 0) + DELAY + after, DELAY);
    assert.equal(shown.number === null ? "" : numberText(shown.number, clock), number);
    assert.ok(Math.abs(shown.left - left) < 1e-4, `${shown.left} instead of ${left}`);
    const time = new Date(state.starts_at ?? 0).toLocaleTimeString();
    assert.equal(caption(shown), (words.page_caption ?? words.caption).replace("{time}", time));
  });
}

test("it says when something else is to be shown", () => {
  assert.equal(at(-1).nextAt, START + DELAY);
  assert.equal(at(0).nextAt, START + 1000 + DELAY);
  assert.equal(at(10_000).nextAt, null);
});

test("a run is finished when its zero is shown, not when it is known", () => {
  const known = (ms) => at(ms, { status: "finished", remaining: 0 }).status;
  assert.deepEqual([known(9999), known(10_000)], ["running", "finished"]);
});

test("a tick is late a second after its number is shown", () => {
  assert.equal(at(4999, { remaining: 7 }).isLate, false);
  assert.equal(at(5000, { remaining: 7 }).isLate, true);
  assert.equal(at(5000, { remaining: 6 }).isLate, false);
});

test("a lap of the ring is a minute at most", () => {
  assert.equal(at(0).lapMs, 10_000);
  assert.equal(at(0, { from: 90, remaining: 90 }).lapMs, 60_000);
  assert.equal(at(0, { status: "cancelled", remaining: 7 }).lapMs, 0);
});

/** Show `moments`, each `[ms, state]` after the first number, one after another; what each showed. */
function showAll(...moments) {
  let last = nothing;
  return moments.map(([ms, state]) => {
    const shown = showNext(running(state), START + DELAY + ms, DELAY, last);
    last = shown.last;
    return shown;
  });
}
const numbers = (...moments) => showAll(...moments).map((shown) => shown.number);

test("a number follows the other", () => {
  assert.deepEqual(numbers([0], [1000], [2000]), [10, 9, 8]);
});

test("a clock that is set back a little does not show a number again", () => {
  assert.deepEqual(numbers([1000], [999], [800], [1000]), [9, 9, 9, 9]);
});

test("a clock that is set back by 300 ms or more does: the number is the truth", () => {
  assert.deepEqual(numbers([1000], [700]), [9, 9]);
  assert.deepEqual(numbers([1000], [699]), [9, 10]);
  assert.deepEqual(numbers([5000], [1000]), [5, 9]);
});

test("a cancelled run shows its last tick's number, though the clock was ahead of it", () => {
  assert.deepEqual(numbers([3000], [3000, { status: "cancelled", remaining: 8 }]), [7, 8]);
});

test("a clock that is set back before the first number hides it, and does not show it as new", () => {
  const [first, hidden, again] = showAll([0], [-1], [0]);
  assert.deepEqual([first.number, hidden.number, again.number], [10, null, 10]);
  assert.deepEqual([first.isNew, hidden.isNew, again.isNew], [true, false, false]);
});

test("another run begins with its own number", () => {
  assert.deepEqual(numbers([9000], [0, { run: "b" }], [999, { run: "b" }]), [1, 10, 10]);
});

test("the first number of another run is new, even if it is the same", () => {
  const scheduled = { run: "b", status: "scheduled", remaining: null };
  const shown = showAll([0], [-100, scheduled], [0, scheduled]);
  assert.deepEqual(shown.map(({ isNew }) => isNew), [true, false, true]);
});

test("a number that stays is not new", () => {
  assert.deepEqual(showAll([0], [500], [1000]).map(({ isNew }) => isNew), [true, false, true]);
});

test("the finale is at zero, once, and only for a page that showed one", () => {
  const finales = (...moments) => showAll(...moments).map(({ isFinale }) => isFinale);
  assert.deepEqual(finales([9000], [10_000], [10_001]), [false, true, false]);
  assert.deepEqual(finales([10_000], [10_001]), [false, false]);
  assert.deepEqual(finales([8000], [10_000]), [false, false]);
  assert.deepEqual(finales([9000], [10_000, { run: "b" }]), [false, false]);
});
