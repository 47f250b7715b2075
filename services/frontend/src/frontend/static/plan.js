/** What a run does by itself: its planned holds begin and end, and some of its numbers have a tick. Pure. */

/** @import {PlannedHold, State} from "../../../types/protocol" */

import { isUnderWay } from "./room.js";

/** Up to here every number has a tick; above, those that are multiples of SPARSE. */
const DENSE = 86_400;
const SPARSE = 3600;

/** The state as it is at `now` if all has gone as planned since: the run stands at the number of a planned
 * hold from when that is due, and goes on when the hold ends. `plan.py` does the same.
 * @param {State} state @param {number} now in epoch ms @returns {State} */
export function asPlanned(state, now) {
  const { held_at, held_until, starts_at } = state;
  if (!isUnderWay(state)) return state;
  if (held_at !== null) {
    if (held_until === null || now < held_until) return state;
    const later = (starts_at ?? 0) + held_until - held_at;
    return asPlanned({ ...state, starts_at: later, held_at: null, held_until: null }, now);
  }
  const [hold] = pendingHolds(state);
  if (!hold || now < dueAt(state, hold.at)) return state;
  const since = dueAt(state, hold.at);
  const until = hold.for_ms ? since + hold.for_ms : null;
  return asPlanned({ ...state, remaining: hold.at, held_at: since, held_until: until }, now);
}

/** How long the holds still to come last, in ms; those without an end don't count. @param {State} state */
export function pendingMs(state) {
  return pendingHolds(state).reduce((sum, { for_ms }) => sum + (for_ms ?? 0), 0);
}

/** When the next event of a run is due that comes by itself, in epoch ms: a tick, or the end of a planned
 * hold; null if none does. The schedulers go by the same rule, `rules.next_due` in Python.
 * @param {State} state */
export function nextDue(state) {
  if (!isUnderWay(state)) return null;
  return state.held_at === null ? dueAt(state, nextRemaining(state)) : state.held_until;
}

/** The number of the next tick: far from zero few numbers have one. @param {State} state */
function nextRemaining(state) {
  if (state.remaining === null) return state.from ?? 0;
  const below = state.remaining - 1;
  const ticking = below > DENSE ? below - (below % SPARSE) : below;
  return Math.max(ticking, pendingHolds(state)[0]?.at ?? 0);
}

/** The holds of the numbers that have not been reached, the next one first. @param {State} state @returns {PlannedHold[]} */
function pendingHolds({ holds, remaining }) {
  return holds.filter(({ at }) => at < (remaining ?? Infinity));
}

/** When a number is due, in epoch ms. @param {State} state @param {number} remaining */
export function dueAt({ starts_at, from, interval_ms }, remaining) {
  return (starts_at ?? 0) + ((from ?? 0) - remaining) * (interval_ms ?? 0);
}
