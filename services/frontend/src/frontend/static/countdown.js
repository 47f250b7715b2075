/** What a screen shows of a room at a moment of the server's clock. Pure: no clock, no document. */

/** @import {State} from "../../../types/protocol" */
/** @import {Room} from "./room.js" */

import { asPlanned, dueAt, nextDue, pendingMs } from "./plan.js";
import { stateAt } from "./room.js";

/** A tick that has not arrived so long after its number was to be shown is late; the end of a hold, too. */
const LATE_MS = 1000;
/** A correction of the clock by less never shows a number again. */
const JITTER_MS = 300;
/** A page that was asleep while a change brought zero makes no fuss so long after it. */
const RECENT_MS = 1000;

/**
 * @typedef {{
 *   time: number,
 *   status: State["status"] | "overtime",
 *   number: number | null,
 *   phase: "" | "warning" | "danger",
 *   left: number,
 *   lapMs: number,
 *   startsAt: number | null,
 *   intervalMs: number,
 *   heldMs: number,
 *   goesOnInMs: number | null,
 *   holdsMs: number,
 *   nextAt: number | null,
 *   isLate: boolean,
 * }} Expected at `time`: `number` is below zero in overtime; `left` of the ring, from 1 to 0, of which a
 * whole lap takes `lapMs` (0 stands still); held for `heldMs`, and goes on by itself in `goesOnInMs`, whole
 * seconds; the planned holds up to zero still take `holdsMs`; at `nextAt` something else is to be shown;
 * `isLate` if an event has not come that should have
 */
/** @typedef {{run: string, change: string | null, number: number}} Last the last number shown, and the
 * run it is of, with its last change */
/**
 * @typedef {Expected & {last: Last, isNew: boolean, isAdjusted: boolean, isFinale: boolean}} Shown `last`
 * for the next time; `isNew` if it is another number than the last, `isAdjusted` if a change made it so,
 * `isFinale` if it has just counted down to zero, or was brought there
 */

/** Nothing was shown yet. @type {Last} */
export const nothing = { run: "", change: null, number: Infinity };

/** What the state says is to be shown: every number `delay` ms after it is due. `first_paint.py`
 * computes the same, and both are tested by the same cases.
 * @param {State} state @param {number} time @param {number} delay @returns {Expected} */
export function expected(state, time, delay) {
  const now = time - delay;
  const planned = asPlanned(state, now);
  const { status, from, interval_ms, starts_at, held_at, held_until, remaining } = planned;
  const isLate = now - LATE_MS >= (nextDue(state) ?? Infinity);
  /** @type {Expected} */
  const still = {
    time, status, number: null, phase: "", left: 1, lapMs: 0, startsAt: starts_at, intervalMs: interval_ms ?? 0,
    heldMs: 0, goesOnInMs: null, holdsMs: 0, nextAt: null, isLate,
  };
  if (from === null || interval_ms === null || starts_at === null || status === "idle" || status === "unknown")
    return { ...still, status: "idle" };
  if (status === "cancelled")
    return { ...still, number: remaining, left: remaining === null ? 1 : ringLeft(remaining, from) };
  const moment = Math.min(now, held_at ?? Infinity);
  const elapsed = (moment - starts_at) / interval_ms;
  const isEndless = state.after_zero === "count";
  const passed = isEndless ? Math.floor(elapsed) : Math.min(from, Math.floor(elapsed));
  const number = passed < 0 ? null : from - passed;
  const phase = phaseOf(state, number);
  const left = number === null ? 1 : ringLeft(Math.max(0, from - elapsed), from);
  const restMs = held_at === null || held_until === null ? null : wholeSeconds(held_until - Math.max(now, held_at));
  const holdsMs = (restMs ?? 0) + pendingMs(planned);
  if (held_at !== null && now >= held_at) {
    const heldMs = now - held_at;
    // Its seconds are counted from its beginning, or to its end.
    const second = held_until ?? held_at;
    const nextAt = second + (Math.floor((now - second) / 1000) + 1) * 1000 + delay;
    return { ...still, status: "held", number, phase, left, heldMs, goesOnInMs: restMs, holdsMs, nextAt };
  }
  const changesAt = Math.min(starts_at + Math.max(0, passed + 1) * interval_ms, held_at ?? Infinity);
  if (number === null) return { ...still, status: "scheduled", nextAt: changesAt + delay };
  return {
    ...still,
    status: statusAt(state, number),
    number,
    phase,
    left,
    lapMs: number > 0 ? Math.min(from, 60) * interval_ms : 0,
    holdsMs,
    nextAt: number > 0 || isEndless ? changesAt + delay : null,
  };
}

/** What to show next, after `last`. Never step back to a number already shown, unless the state says so:
 * the clock is corrected during a run, and a correction must not show a number twice.
 * @param {Room} room @param {number} time @param {number} delay @param {Last} last @returns {Shown} */
export function showNext(room, time, delay, last) {
  const now = stateAt(room, time - delay);
  const ahead = stateAt(room, time - delay + JITTER_MS);
  // Nor back to before a change that was shown already; the end of a planned hold is no change.
  const isBack = now.state.change !== last.change && ahead.state.change === last.change;
  const { state, until } = isBack ? ahead : now;
  const shown = expected(state, time, delay);
  const nextAt = until === null ? shown.nextAt : Math.min(shown.nextAt ?? Infinity, until + delay);
  const { change } = state;
  const run = state.run ?? "";
  const isSameRun = run === last.run;
  if (shown.number === null) {
    const none = { run, change, number: isSameRun ? last.number : Infinity };
    return { ...shown, nextAt, last: none, isNew: false, isAdjusted: false, isFinale: false };
  }
  const isChanged = isSameRun && change !== last.change;
  // What is still above the last number after JITTER_MS is the truth, and no correction of the clock.
  const isTruth = isChanged || (expected(state, time + JITTER_MS, delay).number ?? 0) > last.number;
  const number = isSameRun && !isTruth ? Math.min(shown.number, last.number) : shown.number;
  const isNew = number !== last.number;
  const isRecent = time - delay - dueAt(state, 0) < RECENT_MS;
  return {
    ...shown,
    nextAt,
    number,
    phase: phaseOf(state, number),
    last: { run, change, number },
    isNew,
    isAdjusted: isChanged && isNew,
    isFinale: isSameRun && isNew && number === 0 && (last.number === 1 || (isChanged && isRecent)),
  };
}

/** @param {number} ms */
function wholeSeconds(ms) {
  return Math.ceil(ms / 1000) * 1000;
}

/** The status with a number to show. The tick that finishes a run arrives before its zero is to be shown.
 * @param {State} state @param {number} number @returns {Expected["status"]} */
function statusAt({ status, after_zero }, number) {
  if (number > 0) return "running";
  if (after_zero === "count") return "overtime";
  return status === "finished" ? status : "running";
}

/** The phase of a run by its number; in overtime it has none.
 * @param {State} state @param {number | null} number @returns {Expected["phase"]} */
function phaseOf({ warning, danger }, number) {
  if (number === null || number < 0) return "";
  if (danger !== null && number <= danger) return "danger";
  return warning !== null && number <= warning ? "warning" : "";
}

/** How much of the ring is left: of the whole run, or of the minute if the run is longer.
 * @param {number} number @param {number} from */
function ringLeft(number, from) {
  if (from <= 60) return Math.min(1, number / from);
  return number > 0 && number % 60 === 0 ? 1 : (number % 60) / 60;
}
