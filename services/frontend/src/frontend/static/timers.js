/** Two kinds of timer: one that is precise, and several that fire in order. */

/**
 * @typedef {{
 *   now: () => number,
 *   wall: () => number,
 *   step: () => number,
 *   wallStep: () => number,
 *   setTimer: (run: () => void, ms: number) => number,
 *   clearTimer: (timer: number) => void,
 *   isHidden: () => boolean,
 *   random: () => number,
 * }} Env the clocks of a page, the steps in which they move, and its timers; a test brings its own
 */

/** A browser's timer may be late, or early by a ms. While a page waits in place, whatever else becomes ready to
 * run on its core interrupts it, for several ms: the longer it waits, the more often. */
const EARLY_MS = 1;
/** A clock that moves in larger steps is not waited for in place. */
const COARSE_MS = 2;
/** The clock is corrected meanwhile, so a distant moment is computed again on the way. */
const LONGEST_MS = 1000;
/** How often a clock that moves in large steps is read, since it does not tell when it will move. */
const POLL_MS = 4;

/** Fires at an exact moment of the server's clock: a timer until just before, then a busy-wait. */
export class PreciseTimer {
  #env;
  #time;
  /** @type {number | undefined} */
  #timer;

  /** @param {Env} env @param {() => number} time the server's time */
  constructor(env, time) {
    this.#env = env;
    this.#time = time;
  }

  /** Call `run` once at `moment`, or in a second if that is sooner. Replaces the previous call; null
   * only cancels it.
   * @param {number | null} moment @param {() => void} run */
  set(moment, run) {
    const { setTimer, clearTimer, isHidden, step } = this.#env;
    clearTimer(this.#timer ?? 0);
    if (moment === null) return;
    const left = moment - this.#time();
    const isCoarse = step() > COARSE_MS;
    const ms = isCoarse && left > 0 && left < step() ? POLL_MS : Math.min(left - EARLY_MS, LONGEST_MS);
    this.#timer = setTimer(() => {
      // A busy-wait would freeze the page if the clock was set back meanwhile, or moves in large steps.
      const longest = isCoarse && !isHidden() ? 0 : 2 * EARLY_MS;
      if (ms < LONGEST_MS && moment - this.#time() > longest) return this.set(moment, run);
      if (ms < LONGEST_MS && !isHidden()) while (moment - this.#time() > 0);
      run();
    }, Math.max(0, ms));
  }
}

/** Calls that happen in the order in which they were added. Timers due at nearly the same moment fire
 * in any order, and the clock may be corrected between two of them. */
export class OrderedTimers {
  #setTimer;
  /** @type {(() => void)[]} */
  #pending = [];

  /** @param {Env} env */
  constructor({ setTimer }) {
    this.#setTimer = setTimer;
  }

  /** Call `run` in `ms`, after everything that was added before it.
   * @param {number} ms @param {() => void} run */
  add(ms, run) {
    this.#pending.push(run);
    this.#setTimer(() => {
      const place = this.#pending.indexOf(run);
      for (const earlier of this.#pending.splice(0, place + 1)) earlier();
    }, ms);
  }
}
