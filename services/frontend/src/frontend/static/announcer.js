/** Tells those who listen instead of looking: few numbers, politely. */

import { setText } from "./dom.js";

const TOLD = new Set([10, 5, 3, 2, 1, 0]);

/** @param {number | null} number */
export function announce(number) {
  if (number !== null && TOLD.has(number)) setText("announcer", `${number}`);
}
