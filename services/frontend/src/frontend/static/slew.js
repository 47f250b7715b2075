/** The offset that the page uses: it is stepped or slewed to what is known, in NTP's sense. */

/** The fastest slew, in ms a ms: 500 ppm, as in NTP. */
const SLEW = 500e-6;

export class SlewedOffset {
  #since = 0;
  #offset = 0;
  #rate = 0;
  #remaining = 0;

  /** The offset at a moment of the page's clock.
   * @param {number} now */
  at(now) {
    const elapsed = Math.max(0, now - this.#since);
    const slewed = Math.min(Math.abs(this.#remaining), SLEW * elapsed);
    return this.#offset + this.#rate * elapsed + Math.sign(this.#remaining) * slewed;
  }

  /** Approach `target` gradually.
   * @param {number} now @param {number} target @param {number} rate the drift, in ms a ms */
  slew(now, target, rate) {
    const current = this.at(now);
    this.step(now, current, rate);
    this.#remaining = target - current;
  }

  /** Be at `target` at once.
   * @param {number} now @param {number} target @param {number} rate the drift, in ms a ms */
  step(now, target, rate) {
    this.#since = now;
    this.#offset = target;
    this.#rate = rate;
    this.#remaining = 0;
  }
}
