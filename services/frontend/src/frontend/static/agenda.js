/** Many moments on one precise timer. Each with a timer of its own would hold the others up, since the
 * last milliseconds before a moment are waited for busily. */

/** @import {Env} from "./timers.js" */

import { PreciseTimer } from "./timers.js";

/** @template Key */
export class Agenda {
  #time;
  #onDue;
  #timer;
  /** @type {Map<Key, number>} */
  #moments = new Map();

  /** @param {Env} env @param {() => number} time the server's time
   * @param {(due: Key[]) => void} onDue called with all that are due, in the order of their moments */
  constructor(env, time, onDue) {
    this.#time = time;
    this.#onDue = onDue;
    this.#timer = new PreciseTimer(env, time);
  }

  /** Replaces the previous moment of `key`; null only cancels it.
   * @param {Key} key @param {number | null} moment in ms of the server's time */
  set(key, moment) {
    if (moment === null) this.#moments.delete(key);
    else this.#moments.set(key, moment);
    this.#wait();
  }

  #wait() {
    const first = Math.min(...this.#moments.values());
    // The timer also comes before its moment, once a second, since the clock is corrected meanwhile.
    this.#timer.set(first === Infinity ? null : first, () => {
      const now = this.#time();
      const due = [...this.#moments].filter(([, moment]) => moment <= now).sort((a, b) => a[1] - b[1]);
      for (const [key] of due) this.#moments.delete(key);
      if (due.length) this.#onDue(due.map(([key]) => key));
      this.#wait();
    });
  }
}
