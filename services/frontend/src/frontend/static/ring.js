/**
 * The ring that runs down between the numbers.
 *
 * It turns by animations of `transform` alone, which browsers run outside the main thread: repainting
 * a ring for each frame made the numbers late by several milliseconds. Each half turns behind a window
 * of its own, and a round cap leads.
 */

import { byId } from "./dom.js";

/** A smaller deviation can't be seen, and is not corrected. */
const TOLERANCE_MS = 30;
/** Such a slow turn is smooth at thirty frames a second, at half the cost of sixty. */
const FRAME_MS = 33;

/** The keyframes of the three parts, each an offset and an angle in degrees. Until the second half
 * turns, it is a degree ahead, so that the first joins it without a seam. It ends before its
 * other end shows below. */
const PARTS = /** @type {const} */ ([
  ["arc-first", [[0, 0], [0.5, 180], [1, 180]]],
  ["arc-second", [[0, 0], [0.5, 0], [0.5, 1], [357.4 / 360, 178.4], [1, 178.4]]],
  ["arc-cap", [[0, 0], [1, 360]]],
]);

export class Ring {
  /** @type {Animation[]} */
  #animations = [];
  #lapMs = 0;

  /** Show that `left` of the ring is left, and let it run down, a whole lap in `lapMs`; 0 stands still.
   * @param {number} left @param {number} lapMs */
  show(left, lapMs) {
    if (lapMs !== this.#lapMs || this.#animations.length === 0) this.#begin(lapMs);
    const at = (1 - left) * (lapMs || 1);
    for (const animation of this.#animations) {
      const deviation = Math.abs(Number(animation.currentTime ?? 0) % (lapMs || 2) - at);
      // The end of a lap is the beginning of the next.
      if (!lapMs || (deviation > TOLERANCE_MS && lapMs - deviation > TOLERANCE_MS)) animation.currentTime = at;
    }
    byId("ring")?.toggleAttribute("data-empty", left === 0);
  }

  /** @param {number} lapMs */
  #begin(lapMs) {
    for (const animation of this.#animations) animation.cancel();
    this.#lapMs = lapMs;
    const timing = {
      duration: lapMs || 1,
      iterations: lapMs ? Infinity : 1,
      fill: /** @type {const} */ ("both"),
      easing: lapMs ? `steps(${Math.ceil(lapMs / FRAME_MS)})` : "linear",
    };
    this.#animations = PARTS.flatMap(([id, angles]) => {
      const keyframes = angles.map(([offset, angle]) => ({ offset, transform: `rotate(${angle}deg)` }));
      const animation = byId(id)?.animate(keyframes, timing);
      if (animation && !lapMs) animation.pause();
      return animation ? [animation] : [];
    });
  }
}
