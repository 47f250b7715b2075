/** The word below the number, where there is one to say. */

/** @import {State} from "../../../types/protocol" */
/** @import {Showing} from "./countdown.js" */

/** @param {Showing} shown @param {State} state @param {number} time @returns {string} */
export function caption(shown, state, time) {
  switch (shown.status) {
    case "idle":
      return "ready";
    case "scheduled":
      return state.starts_at === null ? "" : starting(state.starts_at, time);
    case "cancelled":
      return "cancelled";
    default:
      return "";
  }
}

/** @param {number} startsAt @param {number} time */
function starting(startsAt, time) {
  const seconds = Math.ceil((startsAt - time) / 1000);
  if (seconds <= 1) return "starting";
  const clock = new Date(startsAt).toLocaleTimeString();
  const minutes = Math.floor(seconds / 60);
  return `starts at ${clock}, in ${minutes ? `${minutes} min ` : ""}${seconds % 60} s`;
}
