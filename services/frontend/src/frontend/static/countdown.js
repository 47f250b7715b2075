/** What a screen shows of a room at a moment of the server's clock. Pure: no clock, no document. */

/** @import {State} from "../../../types/protocol" */

/** A tick that has not arrived so long after its number was to be shown is late. */
const LATE_MS = 1000;
/** A correction of the clock by less never shows a number again. */
const JITTER_MS = 300;

/**
 * @typedef {{
 *   time: number,
 *   status: State["status"],
 *   number: number | null,
 *   left: number,
 *   lapMs: number,
 *   startsAt: number | null,
 *   nextAt: number | null,
 *   isLate: boolean,
 * }} Expected at `time`: `left` of the ring, from 1 to 0, of which a whole lap takes `lapMs` (0 stands
 * still); at `nextAt` something else is to be shown
 */
/** @typedef {{run: string, number: number}} Last the last number shown, and the run it is of */
/**
 * @typedef {Expected & {last: Last, isNew: boolean, isFinale: boolean}} Shown `last` for the next time;
 * `isNew` if it is another number than the last, `isFinale` if it has just counted down to zero
 */

/** Nothing was shown yet. @type {Last} */
export const nothing = { run: "", number: Infinity };

/** What the state says is to be shown: every number `delay` ms after it is due. `first_paint.py`
 * computes the same, and both are tested by the same cases.
 * @param {State} state @param {number} time @param {number} delay @returns {Expected} */
export function expected(state, time, delay) {
  const { status, from, interval_ms, starts_at, remaining } = state;
  const still = { time, number: null, left: 1, lapMs: 0, startsAt: starts_at, nextAt: null, isLate: false };
  if (from === null || interval_ms === null || starts_at === null || status === "idle" || status === "unknown")
    return { ...still, status: "idle" };
  if (status === "cancelled")
    return { ...still, status, number: remaining, left: remaining === null ? 1 : ringLeft(remaining, from) };
  const elapsed = (time - delay - starts_at) / interval_ms;
  if (elapsed < 0) return { ...still, status: "scheduled", nextAt: starts_at + delay };
  const passed = Math.min(from, Math.floor(elapsed));
  const received = remaining === null ? -1 : from - remaining;
  return {
    ...still,
    // The tick that finishes a run arrives before its zero is to be shown.
    status: status === "finished" && passed === from ? status : "running",
    number: from - passed,
    left: ringLeft(Math.max(0, from - elapsed), from),
    lapMs: Math.min(from, 60) * interval_ms,
    nextAt: passed < from ? starts_at + (passed + 1) * interval_ms + delay : null,
    isLate: Math.min(from, Math.floor(elapsed - LATE_MS / interval_ms)) > received,
  };
}

/** What to show next, after `last`. Never step back to a number already shown, unless the state says so:
 * the clock is corrected during a run, and a correction must not show a number twice.
 * @param {State} state @param {number} time @param {number} delay @param {Last} last @returns {Shown} */
export function showNext(state, time, delay, last) {
  const shown = expected(state, time, delay);
  const run = state.run ?? "";
  const isSameRun = run === last.run;
  if (shown.number === null)
    return { ...shown, last: isSameRun ? last : { run, number: Infinity }, isNew: false, isFinale: false };
  // What is still above the last number after JITTER_MS is the truth, and no correction of the clock.
  const isTruth = (expected(state, time + JITTER_MS, delay).number ?? 0) > last.number;
  const number = isSameRun && !isTruth ? Math.min(shown.number, last.number) : shown.number;
  return {
    ...shown,
    number,
    last: { run, number },
    isNew: number !== last.number,
    isFinale: isSameRun && number === 0 && last.number === 1,
  };
}

/** How much of the ring is left: of the whole run, or of the minute if the run is longer.
 * @param {number} number @param {number} from */
function ringLeft(number, from) {
  if (from <= 60) return Math.min(1, number / from);
  return number > 0 && number % 60 === 0 ? 1 : (number % 60) / 60;
}
