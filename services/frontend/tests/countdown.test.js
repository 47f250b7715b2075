import assert from "node:assert/strict";
import { test } from "node:test";

import { expected, nothing, showNext } from "../src/frontend/static/countdown.js";
import { caption, numberText, toZeroText } from "../src/frontend/static/display.js";
import { initial } from "../src/frontend/static/room.js";
import { cases } from "./cases.js";

// Any delay: the page is told it in its data.
const DELAY = 250;
const START = 1_000_000;
const TERMS = { ...initial.state, run: "a", from: 10, interval_ms: 1000, starts_at: START };

const running = (more) => ({ ...TERMS, status: "running", remaining: 10, ...more });
/** What is expected `ms` after the first number. */
const at = (ms, state) => expected(running(state), START + DELAY + ms, DELAY);

for (const { name, state: given, after, clock = false, number, left, status, phase, to_zero = "", ...words } of cases("countdown-cases.json")) {
  test(`the page shows what the first paint does: ${name}`, () => {
    const state = { ...initial.state, ...given };
    const shown = expected(state, (state.starts_at ?? 0) + DELAY + after, DELAY);
    assert.equal(numberText(shown, clock), number);
    assert.ok(Math.abs(shown.left - left) < 1e-4, `${shown.left} instead of ${left}`);
    if (status) assert.equal(shown.status, status);
    assert.equal(shown.phase, phase ?? "");
    assert.equal(toZeroText(shown), to_zero);
    const startsAt = new Date(state.starts_at ?? 0);
    const day = startsAt.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
    const said = (words.page_caption ?? words.caption).replace("{day}", day);
    assert.equal(caption(shown), said.replace("{time}", startsAt.toLocaleTimeString()));
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

/** Show `moments`, each `[ms, state, earlier]` after the first number, one after another; what each showed. */
function showAll(...moments) {
  let last = nothing;
  return moments.map(([ms, state, earlier = []]) => {
    const shown = showNext({ ...initial, state: running(state), earlier }, START + DELAY + ms, DELAY, last);
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

/** A state that counts until `ms` after the start. */
const until = (ms, state) => [{ state: running(state), until: START + ms }];

test("a hold stops number and ring at its own moment, however long before it is known", () => {
  const held = { status: "held", held_at: START + 3400, remaining: 7, change: "h" };
  const shown = showAll([3399, held], [3400, held], [4400, held], [60_000, held]);
  assert.deepEqual(shown.map(({ number }) => number), [7, 7, 7, 7]);
  assert.deepEqual(shown.map(({ status }) => status), ["running", "held", "held", "held"]);
  assert.deepEqual(shown.map(({ lapMs }) => lapMs), [10_000, 0, 0, 0]);
  assert.deepEqual(shown.map(({ left }) => left.toFixed(4)), ["0.6601", "0.6600", "0.6600", "0.6600"]);
  assert.deepEqual(shown.map(({ isNew }) => isNew), [true, false, false, false]);
});

test("it says when the hold is to be shown, and each second of it", () => {
  const next = (ms) => at(ms, { status: "held", held_at: START + 3400, remaining: 7 }).nextAt - START - DELAY;
  assert.deepEqual([next(2999), next(3000), next(3400), next(4399.5), next(4400)], [3000, 3400, 4400, 4400, 5400]);
});

test("a hold that is heard of late steps back to its number", () => {
  const held = { status: "held", held_at: START + 3400, remaining: 7, change: "h" };
  assert.deepEqual(numbers([4000], [4100, held]), [6, 7]);
});

test("no tick is late while a run is held, and after it each is late by its new time", () => {
  assert.equal(at(90_000, { status: "held", held_at: START + 3400, remaining: 7 }).isLate, false);
  const resumed = { starts_at: START + 5000, remaining: 7 };
  assert.deepEqual([at(9999, resumed).isLate, at(10_000, resumed).isLate], [false, true]);
});

const planned = { remaining: 9, holds: [{ at: 7, for_ms: 2500 }, { at: 4 }] };

test("it says when a planned hold begins, when its seconds change, and when it ends", () => {
  const next = (ms) => at(ms, planned).nextAt - START - DELAY;
  assert.deepEqual([2999, 3000, 3499.5, 3500, 5499, 5500].map(next), [3000, 3500, 3500, 4500, 5500, 6500]);
  assert.deepEqual([8500, 9499, 9500].map(next), [9500, 9500, 10_500]);
});

test("what comes by itself is late a second after it should have come: a hold's tick, its end, a tick after it", () => {
  const isLate = (state) => (ms) => at(ms, { ...planned, ...state }).isLate;
  assert.deepEqual([2999, 3000].map(isLate({ remaining: 9 })), [false, true]);
  const held = { status: "held", remaining: 7, held_at: START + 3000, held_until: START + 5500 };
  assert.deepEqual([3000, 6499, 6500].map(isLate(held)), [false, false, true]);
  const resumed = { remaining: 7, starts_at: START + 2500 };
  assert.deepEqual([7499, 7500].map(isLate(resumed)), [false, true]);
  assert.equal(at(90_000, { ...planned, status: "held", remaining: 4, held_at: START + 8500 }).isLate, false);
});

test("a planned hold is shown alike whether its tick and its end come early, late or never", () => {
  const tick = { ...planned, status: "held", remaining: 7, held_at: START + 3000, held_until: START + 5500 };
  const resumed = { ...planned, remaining: 7, starts_at: START + 2500 };
  const earlier = [{ state: running(tick), until: START + 5500 }];
  const moments = [2999, 3000, 5499, 5500, 6499, 6500];
  const looks = (states) =>
    showAll(...moments.map((ms, index) => [ms, ...states[index]])).map(({ status, number, isNew }) => [status, number, isNew]);
  const [early, late] = [[tick], [resumed, earlier]];
  const seen = looks(moments.map(() => [planned]));
  assert.deepEqual(seen.map(([status, number]) => `${status} ${number}`), [
    "running 8", "held 7", "held 7", "running 7", "running 7", "running 6",
  ]);
  assert.deepEqual(looks([early, early, late, late, late, late]), seen);
  assert.deepEqual(looks([[planned], [planned], early, early, late, late]), seen);
});

test("a resume is shown at its own moment, from the number at which the run was held", () => {
  const earlier = until(8400, { status: "held", held_at: START + 3400, remaining: 7, change: "h" });
  const resumed = { starts_at: START + 5000, remaining: 7, change: "r" };
  const shown = showAll([8399, resumed, earlier], [8400, resumed, earlier], [9000, resumed, earlier]);
  assert.deepEqual(shown.map(({ status }) => status), ["held", "running", "running"]);
  assert.deepEqual(shown.map(({ number }) => number), [7, 7, 6]);
  assert.equal(shown[0].nextAt, START + DELAY + 8400);
});

test("an adjustment jumps at its own moment, upwards too, and only then", () => {
  const earlier = until(3400, { remaining: 7 });
  const adjusted = { from: 20, remaining: 17, change: "a" };
  const shown = showAll(...[3399, 3400, 4000, 3999].map((ms) => [ms, adjusted, earlier]));
  assert.deepEqual(shown.map(({ number }) => number), [7, 17, 16, 16]);
  assert.deepEqual(shown.map(({ isAdjusted }) => isAdjusted), [false, true, false, false]);
  assert.equal(shown[0].nextAt, START + DELAY + 3400);
});

test("an adjustment by a second is shown at once, also just before the next number", () => {
  const adjusted = { from: 11, remaining: 8, change: "a" };
  assert.deepEqual(numbers([3799], [3800, adjusted, until(3800, { remaining: 7 })]), [7, 8]);
});

test("a clock that is set back a little does not undo a change that was shown", () => {
  const earlier = until(3400, { remaining: 7 });
  const adjusted = { from: 20, remaining: 17, change: "a" };
  const shown = showAll(...[3400, 3399, 3101, 3050].map((ms) => [ms, adjusted, earlier]));
  assert.deepEqual(shown.map(({ number }) => number), [17, 17, 17, 7]);
});

test("zero that an adjustment brings has its finale, but none on a page that was asleep", () => {
  const earlier = until(3400, { remaining: 7 });
  const zero = { starts_at: START - 6600, remaining: 1, change: "a" };
  const finished = { ...zero, status: "finished", remaining: 0 };
  const finales = (...moments) => showAll(...moments).map(({ isFinale }) => isFinale);
  assert.deepEqual(finales([3399, zero, earlier], [3400, zero, earlier], [3401, finished, earlier]), [false, true, false]);
  assert.deepEqual(finales([3000], [4399, finished]), [false, true]);
  assert.deepEqual(finales([3000], [4400, finished]), [false, false]);
});

test("a run that counts on after zero has its finale, and then counts up without any tick being late", () => {
  const state = { status: "finished", remaining: 0, after_zero: "count" };
  const shown = showAll([9000, state], [10_000, state], [11_000, state], [10_900, state], [75_000, state]);
  assert.deepEqual(shown.map(({ number }) => number), [1, 0, -1, -1, -65]);
  assert.deepEqual(shown.map(({ isFinale }) => isFinale), [false, true, false, false, false]);
  assert.deepEqual(shown.map(({ status }) => status), ["running", "overtime", "overtime", "overtime", "overtime"]);
  assert.ok(shown.every(({ isLate }) => !isLate));
  assert.equal(shown[4].nextAt, START + DELAY + 76_000);
  const unheard = at(12_000, { remaining: 1, after_zero: "count" });
  assert.deepEqual([unheard.number, unheard.isLate], [-2, true]);
});

test("a cancel ends the count after zero", () => {
  const state = { status: "finished", remaining: 0, after_zero: "count" };
  const shown = showAll([13_000, state], [13_100, { ...state, status: "cancelled" }]);
  assert.deepEqual(shown.map(({ number }) => number), [-3, 0]);
  assert.equal(caption(shown[1]), "ended");
});

test("a phase begins with its number, on a screen whose clock was corrected, too", () => {
  const state = { warning: 8, danger: 6 };
  const shown = showAll([1999, state], [2000, state], [3999, state], [4000, state], [3900, state], [10_000, state]);
  assert.deepEqual(shown.map(({ phase }) => phase), ["", "warning", "warning", "danger", "danger", "danger"]);
});
