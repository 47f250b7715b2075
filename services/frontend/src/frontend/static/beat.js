/** Calls at an exact moment of the server's clock: a timer comes close, then a short wait in place. */

/** Timers are late by several milliseconds on a busy machine, and early by half a one. */
const EARLY_MS = 6;
/** The clock is corrected on the way, so a far moment is looked at again. */
const LONGEST_MS = 1000;

export class Beat {
  #surroundings;
  #time;
  /** @type {number | undefined} */
  #timer;

  /** @param {import("./timekeeper.js").Surroundings} surroundings @param {() => number} time */
  constructor(surroundings, time) {
    this.#surroundings = surroundings;
    this.#time = time;
  }

  /** Call `run` at `moment`, or a second from now where that is sooner; once, and nothing else.
   * @param {number | null} moment @param {() => void} run */
  at(moment, run) {
    const { later, forget, isHidden } = this.#surroundings;
    forget(this.#timer ?? 0);
    if (moment === null) return;
    const ms = moment - this.#time() - EARLY_MS;
    this.#timer = later(() => {
      // The clock may have been set back meanwhile: that is no moment to wait for in place.
      if (ms <= LONGEST_MS && moment - this.#time() > 2 * EARLY_MS) return this.at(moment, run);
      if (ms <= LONGEST_MS && !isHidden()) while (moment - this.#time() > 0);
      run();
    }, Math.max(0, Math.min(ms, LONGEST_MS)));
  }
}
