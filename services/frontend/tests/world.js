/** A world in which timers fire when the test says so, and clocks run as the test wants. */

export class World {
  truth = 0;
  isHidden = false;
  #offset;
  #rate;
  #jump = 0;
  #timers = new Map();
  #names = 0;

  /** `offset` of the page's clock to the truth in ms, and by how much it runs fast, in ms a ms. */
  constructor({ offset = 0, rate = 0 } = {}) {
    this.#offset = offset;
    this.#rate = rate;
  }

  env = {
    now: () => this.#offset + this.truth * (1 + this.#rate),
    wall: () => this.#offset + this.#jump + this.truth * (1 + this.#rate),
    setTimer: (run, ms) => {
      this.#timers.set(++this.#names, { run, at: this.truth + ms });
      return this.#names;
    },
    clearTimer: (timer) => this.#timers.delete(timer),
    isHidden: () => this.isHidden,
  };

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
