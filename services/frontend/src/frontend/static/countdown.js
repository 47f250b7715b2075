/** What is to be seen of a room at a moment of the server's clock. `showing.py` does the same sum. */

/** @import {State} from "../../../types/protocol" */

/** Everything is shown so long after it is due, on every screen: nearly every way is shorter. */
export const DELAY_MS = 250;
/** A tick that is not here so long after it should be seen is late. */
const LATE_MS = 1000;

/**
 * @typedef {{
 *   status: State["status"],
 *   number: number | null,
 *   left: number,
 *   lapse: number,
 *   nextAt: number | null,
 *   isLate: boolean,
 * }} Showing `left` of the ring, from 1 to 0, which takes `lapse` ms; at `nextAt` there is
 * something else to be seen
 */

/** @param {State} state @param {number} time @returns {Showing} */
export function showing(state, time) {
  const { status, from, interval_ms, starts_at, remaining } = state;
  const still = { number: null, left: 1, lapse: 0, nextAt: null, isLate: false };
  if (from === null || interval_ms === null || starts_at === null || status === "idle" || status === "unknown")
    return { ...still, status: "idle" };
  if (status === "cancelled")
    return { ...still, status, number: remaining, left: remaining === null ? 1 : left(remaining, from) };
  const elapsed = (time - DELAY_MS - starts_at) / interval_ms;
  if (elapsed < 0) return { ...still, status: "scheduled", nextAt: starts_at + DELAY_MS };
  const passed = Math.min(from, Math.floor(elapsed));
  const told = remaining === null ? -1 : from - remaining;
  return {
    // Zero may be known before it is to be seen.
    status: status === "finished" && passed === from ? status : "running",
    number: from - passed,
    left: left(Math.max(0, from - elapsed), from),
    lapse: Math.min(from, 60) * interval_ms,
    nextAt: passed < from ? starts_at + (passed + 1) * interval_ms + DELAY_MS : null,
    isLate: Math.min(from, Math.floor(elapsed - LATE_MS / interval_ms)) > told,
  };
}

/** The number as it is read; above 59 as minutes and seconds where asked.
 * @param {number} number @param {boolean} isClock */
export function text(number, isClock) {
  if (!isClock || number < 60) return `${number}`;
  const two = (/** @type {number} */ part) => `${part}`.padStart(2, "0");
  const hours = Math.floor(number / 3600);
  const minutes = Math.floor((number % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(number % 60)}` : `${minutes}:${two(number % 60)}`;
}

/** How much of the ring is left: of the whole run, or of the minute where it is longer.
 * @param {number} number @param {number} from */
function left(number, from) {
  if (from <= 60) return Math.min(1, number / from);
  return number > 0 && number % 60 === 0 ? 1 : (number % 60) / 60;
}
