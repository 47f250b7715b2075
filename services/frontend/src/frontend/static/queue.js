/** What waits for its moment, and comes out in the order in which it came in. */

/** Timers of nearly the same moment fire in any order, and the clock may be set right in between. */
export class Queue {
  #later;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {import("./timekeeper.js").Surroundings["later"]} later */
  constructor(later) {
    this.#later = later;
  }

  /** Call `run` in `ms`, and before it whatever was added before it.
   * @param {number} ms @param {() => void} run */
  add(ms, run) {
    this.#waiting.push(run);
    this.#later(() => {
      const place = this.#waiting.indexOf(run);
      for (const earlier of this.#waiting.splice(0, place + 1)) earlier();
    }, ms);
  }
}
