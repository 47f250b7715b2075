/** Draws what is to be seen: the number, the ring, a word below, the tab's title. */

/** @import {Showing} from "./countdown.js" */

import { text } from "./countdown.js";
import { byId, setText } from "./dom.js";
import { Ring } from "./ring.js";

/** The last numbers, which the ring's colour tells apart. */
const LAST = 3;

export class Face {
  #root = document.documentElement;
  #number = byId("number");
  #ring = new Ring();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #room;

  /** @param {string} room */
  constructor(room) {
    this.#room = room;
  }

  get isClock() {
    return this.#root.dataset.format === "clock";
  }

  /** @param {Showing} shown @param {string} caption */
  draw(shown, caption) {
    const digits = shown.number === null ? "" : text(shown.number, this.isClock);
    // The number goes first: what else is drawn must not make it late.
    if (this.#number && this.#number.textContent !== digits) {
      this.#number.textContent = digits;
      this.#number.dataset.size = `${Math.min(8, Math.max(2, digits.length))}`;
      document.title = `${digits ? `${digits} · ` : ""}${this.#room} · tminus`;
    }
    setText("caption", caption);
    if (this.#root.dataset.status !== shown.status) this.#root.dataset.status = shown.status;
    const isLast = shown.number !== null && shown.number <= LAST && shown.status !== "cancelled";
    this.#root.toggleAttribute("data-last", isLast);
    this.#ring.show(shown.left, shown.status === "running" && !this.#calm.matches ? shown.lapse : 0);
  }
}
