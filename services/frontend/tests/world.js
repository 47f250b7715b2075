/** A world in which timers fire when the test says so, and clocks run as the test wants. */

export class World {
  truth = 0;
  isHidden = false;
  #offset;
  #rate;
  #jump = 0;
  #timers = new Map();
  #names = 0;
  #step;
  #random;

  /** `offset` of the page's clock to the truth in ms, by how much it runs fast, in ms a ms, and the step
   * in which it moves; with `random` a reading is rounded up or down by chance, as in Firefox. */
  constructor({ offset = 0, rate = 0, step = 0, random = () => 0 } = {}) {
    this.#offset = offset;
    this.#rate = rate;
    this.#step = step;
    this.#random = random;
  }

  env = {
    now: () => this.#rounded(this.#offset + this.truth * (1 + this.#rate)),
    // Not in phase with the other, so that they do not step at once.
    wall: () => this.#rounded(4711.37 + this.#offset + this.#jump + this.truth * (1 + this.#rate)),
    step: () => this.#step,
    wallStep: () => this.#step,
    setTimer: (run, ms) => {
      // A browser's timer fires after a while, however short.
      this.#timers.set(++this.#names, { run, at: this.truth + Math.max(0.01, ms) });
      return this.#names;
    },
    clearTimer: (timer) => this.#timers.delete(timer),
    isHidden: () => this.isHidden,
    random: () => 0.5,
  };

  #rounded(ms) {
    if (this.#step === 0 || this.#step === Infinity) return ms * Number(this.#step === 0);
    // Chosen once for each step, as browsers do, or the clock would run backwards.
    const steps = Math.floor(ms / this.#step);
    return (ms / this.#step - steps > 1 - this.#random(steps) ? steps + 1 : steps) * this.#step;
  }

  /** Somebody sets the wall clock. */
  jump(ms) {
    this.#jump += ms;
  }

  /** Let `ms` go by, firing what is due on the way. */
  pass(ms) {
    const until = this.truth + ms;
    for (;;) {
      const [name, next] = [...this.#timers].reduce(
        (first, one) => (one[1].at < first[1].at ? one : first),
        [0, { at: Infinity, run: () => {} }],
      );
      if (next.at > until) break;
      this.#timers.delete(name);
      this.truth = Math.max(this.truth, next.at);
      next.run();
    }
    this.truth = until;
  }
}

/** The same random numbers in every run. */
export function randomness(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
