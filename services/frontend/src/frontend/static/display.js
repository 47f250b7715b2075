/** Draws the number, the ring, the caption and the tab's title, and announces a few numbers. */

/** @import {Expected, Shown} from "./countdown.js" */

import { byId, setText } from "./dom.js";
import { Ring } from "./ring.js";

/** The last numbers have a colour of their own. */
const LAST = 3;
const DAY = 86_400;
/** Another process shows the title. At once, its work would make other pages of this machine late. */
const TITLE_AFTER_MS = 100;
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
    const before = this.#root.dataset.status;
    const digits = numberText(shown, this.#root.dataset.format === "clock");
    // The number comes first: nothing else may delay it.
    if (this.#number && this.#number.textContent !== digits) {
      this.#number.textContent = digits;
      this.#number.dataset.size = sizeOf(digits);
      setTimeout(() => (document.title = `${digits ? `${digits} · ` : ""}${this.#room} · tminus`), TITLE_AFTER_MS);
    }
    setText("caption", caption(shown));
    setText("to-zero", toZeroText(shown));
    if (before !== shown.status) this.#root.dataset.status = shown.status;
    if (this.#root.dataset.phase !== shown.phase) this.#root.dataset.phase = shown.phase;
    const isLast = shown.number !== null && shown.number <= LAST && shown.status !== "cancelled";
    this.#root.toggleAttribute("data-last", isLast);
    this.#ring.show(shown.left, shown.status === "running" && !this.#reducedMotion.matches ? shown.lapMs : 0);
    const words = announced(shown, before, digits);
    if (words) setText("announcer", words);
  }
}

/** What screen readers are to read out; empty if nothing.
 * @param {Shown} shown @param {string | undefined} before the status that was drawn before @param {string} digits */
export function announced({ status, number, isNew, isAdjusted }, before, digits) {
  if (status === "held" && before !== "held") return `held ${digits}`;
  if (before === "held" && (status === "running" || status === "scheduled")) return `resumed ${digits}`;
  return isAdjusted || (isNew && ANNOUNCED.has(number ?? NaN)) ? digits : "";
}

/** The number as text, with a plus sign below zero, empty if there is none. Seconds are days and a time from
 * a day on; above 59 they are minutes and seconds if `isClock`.
 * @param {Pick<Expected, "number" | "intervalMs">} shown @param {boolean} isClock @returns {string} */
export function numberText({ number, intervalMs }, isClock) {
  if (number === null) return "";
  if (number < 0) return `+${numberText({ number: -number, intervalMs }, isClock)}`;
  const isDays = intervalMs === 1000 && number >= DAY;
  return isDays || (isClock && number >= 60) ? clockText(number) : `${number}`;
}

/** The size of the digits that fits: 10 and 9 are equally large. @param {string} digits */
export function sizeOf(digits) {
  return digits.includes("d") ? "days" : `${Math.min(10, Math.max(2, digits.length))}`;
}

/** The time to zero, planned holds included; empty if none with a length is left.
 * @param {Expected} shown */
export function toZeroText({ number, intervalMs, holdsMs }) {
  return number && holdsMs ? `L− ${shortText(Math.ceil((number * intervalMs + holdsMs) / 1000))}` : "";
}

/** Seconds as m:ss, from an hour on as h:mm:ss, from a day on with the days. @param {number} seconds */
function clockText(seconds) {
  const two = (/** @type {number} */ part) => `${part}`.padStart(2, "0");
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / 3600);
  const minutes = two(Math.floor((seconds % 3600) / 60));
  const rest = two(seconds % 60);
  // A line breaks only after the days.
  if (days) return `${days}\u00a0d ${two(hours)}:${minutes}:${rest}`;
  return hours ? `${hours}:${minutes}:${rest}` : `${Number(minutes)}:${rest}`;
}

/** Seconds as a time, from a day on as days and hours: below the number the ring is narrow.
 * @param {number} seconds */
function shortText(seconds) {
  return seconds < DAY ? clockText(seconds) : `${Math.floor(seconds / DAY)} d ${Math.floor((seconds % DAY) / 3600)} h`;
}

/** What the phases are called, for whoever sees no colours. */
const PHASES = { "": "", warning: "soon over", danger: "almost over" };

/** The words below the number; none while it counts without a phase. @param {Expected} shown */
export function caption({ status, number, phase, startsAt, heldMs, goesOnInMs, time }) {
  switch (status) {
    case "idle":
      return "ready";
    case "cancelled":
      return number === 0 ? "ended" : "cancelled";
    case "held":
      return goesOnInMs === null ? `held for ${shortText(Math.floor(heldMs / 1000))}` : `goes on in ${shortText(goesOnInMs / 1000)}`;
    case "overtime":
      return "over time";
    case "running":
      return number ? PHASES[phase] : "";
    case "scheduled":
      return startsAt === null ? "" : starting(startsAt, time);
    default:
      return "";
  }
}

/** @param {number} startsAt @param {number} time */
function starting(startsAt, time) {
  const seconds = Math.ceil((startsAt - time) / 1000);
  if (seconds <= 1) return "starting";
  const at = new Date(startsAt);
  const day = seconds < DAY ? "" : `on ${at.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" })} `;
  return `starts ${day}at ${at.toLocaleTimeString()}, in ${wait(seconds)}`;
}

/** @param {number} seconds */
function wait(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (seconds >= DAY) return shortText(seconds);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${minutes ? `${minutes} min ` : ""}${seconds % 60} s`;
}
