/**
 * What is known of the server's clock: every ping and its pong leave it less room.
 *
 * `offset` is the server's clock less this page's, in ms. A ping sent at t1 and answered at t4 with
 * the server's time s proves `offset(t1) <= s - t1` and `offset(t4) >= s - t4`, however long either
 * way was. An offset that drifts at a constant rate is a line, so each sample cuts the plane of all
 * lines twice, and what is left is a convex polygon: its extremes at a moment are the bounds.
 */

/** The most that two clocks drift apart, in ms a ms. */
const RATE_LIMIT = 200e-6;
/** Browsers round `performance.now()` to a tenth. */
export const STEP_MS = 0.1;
const WINDOW_MS = 60_000;
const MOST_SAMPLES = 128;

/** @typedef {{sent: number, received: number, server: number}} Sample */
/** @typedef {{offset: number, rate: number}} Line */

export class Clock {
  /** @type {Sample[]} */
  #samples = [];
  /** @type {Line[]} */
  #corners = [];
  #reference = 0;
  #base = 0;

  get isEmpty() {
    return this.#samples.length === 0;
  }

  forget() {
    this.#samples = [];
    this.#corners = [];
  }

  /** Take a sample in, and say whether what was known still holds: one that no line can meet together
   * with the rest starts anew.
   * @param {Sample} sample */
  add(sample) {
    const since = sample.received - WINDOW_MS;
    this.#samples = this.#samples.filter((one) => one.received > since).slice(1 - MOST_SAMPLES);
    this.#samples.push(sample);
    this.#reference = sample.received;
    this.#base = sample.server - sample.received;
    this.#corners = this.#cut(this.#samples);
    const holds = this.#corners.length > 0;
    if (!holds) {
      this.#samples = [sample];
      this.#corners = this.#cut(this.#samples);
    }
    return holds;
  }

  /** The bounds of the offset at a moment of this page's clock, and the likeliest drift.
   * @param {number} now */
  at(now) {
    const offsets = this.#corners.map((corner) => corner.offset + corner.rate * (now - this.#reference));
    const rates = this.#corners.map((corner) => corner.rate);
    return {
      low: this.#base + Math.min(...offsets),
      high: this.#base + Math.max(...offsets),
      rate: (Math.min(...rates) + Math.max(...rates)) / 2,
    };
  }

  /** How far the middle is likely off where both ways are equally long: what the quickest few
   * differ by, since the quickest of many is about that far from the quickest possible. */
  likely() {
    if (this.#samples.length < 3) return Infinity;
    const { rate } = this.at(this.#reference);
    const aged = (/** @type {number} */ at) => rate * (this.#reference - at) - this.#base;
    const ups = this.#samples.map((one) => one.server - one.sent + aged(one.sent)).sort((a, b) => a - b);
    const downs = this.#samples.map((one) => one.received - one.server - aged(one.received)).sort((a, b) => a - b);
    return (ups[2] - ups[0] + downs[2] - downs[0]) / 2 + STEP_MS;
  }

  /** @param {Sample[]} samples */
  #cut(samples) {
    const newest = samples[samples.length - 1];
    const widest = newest.received - newest.sent + 1;
    /** @type {Line[]} */
    let corners = [
      { offset: -1, rate: -RATE_LIMIT },
      { offset: widest, rate: -RATE_LIMIT },
      { offset: widest, rate: RATE_LIMIT },
      { offset: -1, rate: RATE_LIMIT },
    ];
    for (const { sent, received, server } of samples) {
      corners = keep(corners, sent - this.#reference, server - sent - this.#base + STEP_MS, 1);
      corners = keep(corners, received - this.#reference, server - received - this.#base - STEP_MS, -1);
    }
    return corners;
  }
}

/** The part of a polygon of lines that passes below (side 1) or above (side -1) `bound` at `at`.
 * @param {Line[]} corners @param {number} at @param {number} bound @param {1 | -1} side */
function keep(corners, at, bound, side) {
  const room = corners.map(({ offset, rate }) => side * (bound - offset - rate * at));
  /** @type {Line[]} */
  const kept = [];
  corners.forEach((corner, index) => {
    const next = (index + 1) % corners.length;
    if (room[index] >= 0) kept.push(corner);
    if (room[index] * room[next] < 0) {
      const part = room[index] / (room[index] - room[next]);
      kept.push({
        offset: corner.offset + part * (corners[next].offset - corner.offset),
        rate: corner.rate + part * (corners[next].rate - corner.rate),
      });
    }
  });
  return kept;
}
