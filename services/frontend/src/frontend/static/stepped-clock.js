/** A clock of the browser that learns in which steps it moves. */

/** @import {Env} from "./timers.js" */

/** Reads in a row at most: they take a few milliseconds. */
const MOST_READS = 50_000;
/** Turns of the event loop, of four milliseconds each, in which a coarser clock is read. */
const MOST_TURNS = 250;
/** Steps that are seen before the smallest counts: between two reads the page may be interrupted. */
const ENOUGH = 3;

/**
 * Browsers round their clocks: Chromium to 0.1 ms, Firefox and WebKit to 1, either of them to 16.7 or
 * 100 where it resists fingerprinting, and some of them at random up or down. Every reading is a
 * multiple of the step, so the smallest difference of two readings is never less than the step.
 */
export class SteppedClock {
  /** The smallest difference of two readings so far, in ms: the step, once it is learned. */
  step = Infinity;

  #read;
  #last = NaN;
  #seen = 0;

  /** @param {() => number} read */
  constructor(read) {
    this.#read = read;
  }

  now() {
    const reading = this.#read();
    const moved = reading - this.#last;
    if (moved > 0) {
      this.#seen += 1;
      if (moved < this.step) this.step = moved;
    }
    this.#last = reading;
    return reading;
  }

  /** Read until the clock has moved a few times: in a row at first, then once in each turn.
   * @param {Env["setTimer"]} setTimer */
  learn(setTimer) {
    this.#seen = 0;
    for (let reads = 0; reads < MOST_READS && this.#seen < ENOUGH; reads += 1) this.now();
    const again = (/** @type {number} */ turns) => {
      this.now();
      if (this.#seen < ENOUGH && turns > 0) setTimer(() => again(turns - 1), 1);
    };
    if (this.#seen < ENOUGH) again(MOST_TURNS);
  }
}
