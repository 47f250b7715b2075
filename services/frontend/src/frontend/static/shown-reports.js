/** Tells the coordinator when this page shows a number, for the trace of the run: asked for by `?trace`. */

/** @import {Shown} from "./countdown.js" */
/** @import {Env} from "./timers.js" */

/** A viewer may send ten frames a second, of which the clock needs eight at first. */
const GAP_MS = 900;

export class ShownReports {
  #env;
  #send;
  #sentAt = -Infinity;

  /** @param {Env} env
   * @param {(shown: {number: number, at: number}) => void} send */
  constructor(env, send) {
    this.#env = env;
    this.#send = send;
  }

  /** It was drawn at `at`, by the server's clock.
   * @param {Pick<Shown, "isNew" | "number">} shown @param {number} at */
  add({ isNew, number }, at) {
    if (!isNew || number === null || number < 0 || this.#env.isHidden()) return;
    if (this.#env.now() - this.#sentAt < GAP_MS) return;
    this.#sentAt = this.#env.now();
    this.#send({ number, at });
  }
}
