/** Draws the number, the ring, the caption and the tab's title, and announces a few numbers. */

/** @import {Expected, Shown} from "./countdown.js" */

import { byId, setText } from "./dom.js";
import { Ring } from "./ring.js";

/** The last numbers have a colour of their own. */
const LAST = 3;
/** Screen readers read out only these. */
const ANNOUNCED = new Set([10, 5, 3, 2, 1, 0]);

export class Display {
  #root = document.documentElement;
  #number = byId("number");
  #ring = new Ring();
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #room;

  /** @param {string} room */
  constructor(room) {
    this.#room = room;
  }

  /** @param {Shown} shown */
  draw(shown) {
    const digits = shown.number === null ? "" : numberText(shown.number, this.#root.dataset.format === "clock");
    // The number comes first: nothing else may delay it.
    if (this.#number && this.#number.textContent !== digits) {
      this.#number.textContent = digits;
      this.#number.dataset.size = `${Math.min(8, Math.max(2, digits.length))}`;
      document.title = `${digits ? `${digits} · ` : ""}${this.#room} · tminus`;
    }
    setText("caption", caption(shown));
    if (this.#root.dataset.status !== shown.status) this.#root.dataset.status = shown.status;
    const isLast = shown.number !== null && shown.number <= LAST && shown.status !== "cancelled";
    this.#root.toggleAttribute("data-last", isLast);
    this.#ring.show(shown.left, shown.status === "running" && !this.#reducedMotion.matches ? shown.lapMs : 0);
    if (shown.isNew && ANNOUNCED.has(shown.number ?? NaN)) setText("announcer", digits);
  }
}

/** A number as text; above 59 as minutes and seconds if `isClock`.
 * @param {number} number @param {boolean} isClock */
export function numberText(number, isClock) {
  if (!isClock || number < 60) return `${number}`;
  const two = (/** @type {number} */ part) => `${part}`.padStart(2, "0");
  const hours = Math.floor(number / 3600);
  const minutes = Math.floor((number % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(number % 60)}` : `${minutes}:${two(number % 60)}`;
}

/** The words below the number; none while it counts. @param {Expected} shown */
export function caption({ status, startsAt, time }) {
  if (status === "idle") return "ready";
  if (status === "cancelled") return "cancelled";
  return status === "scheduled" && startsAt !== null ? starting(startsAt, time) : "";
}

/** @param {number} startsAt @param {number} time */
function starting(startsAt, time) {
  const seconds = Math.ceil((startsAt - time) / 1000);
  if (seconds <= 1) return "starting";
  const clock = new Date(startsAt).toLocaleTimeString();
  const minutes = Math.floor(seconds / 60);
  return `starts at ${clock}, in ${minutes ? `${minutes} min ` : ""}${seconds % 60} s`;
}
