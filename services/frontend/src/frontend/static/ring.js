/**
 * The ring that runs down between the numbers.
 *
 * It turns by animations of `transform` alone, which browsers run beside the page's own thread: a
 * ring that is painted anew for each frame made the numbers late by several milliseconds. Each half
 * turns behind a window of its own, and a round cap runs ahead.
 */

import { byId } from "./dom.js";

/** What the eye can't see needs no correction. */
const TOLERANCE_MS = 30;
/** So slow a turn is smooth at thirty frames a second, and costs half of sixty. */
const FRAME_MS = 33;

/** The three parts: after which part of the whole each has turned by how many degrees. The second
 * half begins a degree early, for the first to join it without a seam, until it turns itself. */
const PARTS = /** @type {const} */ ([
  ["arc-first", [[0, 0], [0.5, 180], [1, 180]]],
  ["arc-second", [[0, 0], [0.5, 0], [0.5, 1], [1, 181]]],
  ["arc-cap", [[0, 0], [1, 360]]],
]);

export class Ring {
  /** @type {Animation[]} */
  #turns = [];
  #length = 0;

  /** Show that `left` of the ring is left, and let it run down in `length` ms; 0 stands still.
   * @param {number} left @param {number} length */
  show(left, length) {
    if (length !== this.#length || this.#turns.length === 0) this.#begin(length);
    const at = (1 - left) * (length || 1);
    for (const turn of this.#turns) {
      const off = Math.abs(Number(turn.currentTime ?? 0) % (length || 2) - at);
      // An edge of the ring is its other edge too.
      if (!length || (off > TOLERANCE_MS && length - off > TOLERANCE_MS)) turn.currentTime = at;
    }
    byId("ring")?.toggleAttribute("data-empty", left === 0);
  }

  /** @param {number} length */
  #begin(length) {
    for (const turn of this.#turns) turn.cancel();
    this.#length = length;
    const timing = {
      duration: length || 1,
      iterations: length ? Infinity : 1,
      fill: /** @type {const} */ ("both"),
      easing: length ? `steps(${Math.ceil(length / FRAME_MS)})` : "linear",
    };
    this.#turns = PARTS.flatMap(([id, turned]) => {
      const frames = turned.map(([offset, angle]) => ({ offset, transform: `rotate(${angle}deg)` }));
      const turn = byId(id)?.animate(frames, timing);
      if (turn && !length) turn.pause();
      return turn ? [turn] : [];
    });
  }
}
