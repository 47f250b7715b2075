/** The offset that the page goes by: it follows what is known, but never with a jerk. */

/** The most that it hurries or lingers, in ms a ms. */
const SLEW = 500e-6;

export class Steady {
  #since = 0;
  #offset = 0;
  #rate = 0;
  #behind = 0;

  /** The offset at a moment of this page's clock.
   * @param {number} now */
  at(now) {
    const passed = Math.max(0, now - this.#since);
    const made = Math.min(Math.abs(this.#behind), SLEW * passed);
    return this.#offset + this.#rate * passed + Math.sign(this.#behind) * made;
  }

  /** Go to `target` little by little.
   * @param {number} now @param {number} target @param {number} rate */
  slew(now, target, rate) {
    const shown = this.at(now);
    this.step(now, shown, rate);
    this.#behind = target - shown;
  }

  /** Be at `target` at once.
   * @param {number} now @param {number} target @param {number} rate */
  step(now, target, rate) {
    this.#since = now;
    this.#offset = target;
    this.#rate = rate;
    this.#behind = 0;
  }
}
