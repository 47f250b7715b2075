/** Tells the coordinator when this page shows a number, for the trace of the run: asked for by `?trace`. */

/** @import {Shown} from "./countdown.js" */
/** @import {Env} from "./timers.js" */

/** Each report takes a ping, so of a fast run not every number is reported. */
const GAP_MS = 900;

export class ShownReports {
  #env;
  #askForPing;
  #addedAt = -Infinity;
  /** @type {{number: number, at: number} | null} */
  #next = null;

  /** A frame of its own beside the clock's pings could be one more than a coordinator accepts.
   * @param {Env} env
   * @param {() => void} askForPing the clock is to ping as soon as it may, and the ping takes the report */
  constructor(env, askForPing) {
    this.#env = env;
    this.#askForPing = askForPing;
  }

  /** It was drawn at `at`, by the server's clock.
   * @param {Pick<Shown, "isNew" | "number">} shown @param {number} at */
  add({ isNew, number }, at) {
    if (!isNew || number === null || number < 0 || this.#env.isHidden()) return;
    if (this.#env.now() - this.#addedAt < GAP_MS) return;
    this.#addedAt = this.#env.now();
    this.#next = { number, at };
    this.#askForPing();
  }

  /** What a ping that is sent now tells; each report is told once. */
  take() {
    const shown = this.#next;
    this.#next = null;
    return shown;
  }
}
