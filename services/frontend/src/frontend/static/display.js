/** Draws the number, the ring, the caption and the tab's title, and announces a few numbers. */

/** @import {State} from "../../../types/protocol" */
/** @import {Showing} from "./countdown.js" */

import { text } from "./countdown.js";
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

  /** @param {Showing} shown @param {string} caption */
  draw(shown, caption) {
    const digits = shown.number === null ? "" : text(shown.number, this.#root.dataset.format === "clock");
    // The number comes first: nothing else may delay it.
    if (this.#number && this.#number.textContent !== digits) {
      this.#number.textContent = digits;
      this.#number.dataset.size = `${Math.min(8, Math.max(2, digits.length))}`;
      document.title = `${digits ? `${digits} · ` : ""}${this.#room} · tminus`;
    }
    setText("caption", caption);
    if (this.#root.dataset.status !== shown.status) this.#root.dataset.status = shown.status;
    const isLast = shown.number !== null && shown.number <= LAST && shown.status !== "cancelled";
    this.#root.toggleAttribute("data-last", isLast);
    this.#ring.show(shown.left, shown.status === "running" && !this.#reducedMotion.matches ? shown.lapse : 0);
  }

  /** @param {number} number */
  announce(number) {
    if (ANNOUNCED.has(number)) setText("announcer", `${number}`);
  }
}

/** The words below the number; empty while it counts. @param {Showing} shown @param {State} state @param {number} time @returns {string} */
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
