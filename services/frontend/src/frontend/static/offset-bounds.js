/**
 * The bounds of the server clock's offset: every ping and its pong narrow them.
 *
 * `offset` is the server's clock minus the page's, in ms. A ping sent at t1 and answered at t4 with
 * the server's time s proves `offset(t1) <= s - t1` and `offset(t4) >= s - t4`, however long either
 * way took, give or take the page clock's step. An offset that drifts at a constant rate is a line, so
 * each sample cuts the plane of all lines twice, and what remains is a convex polygon: its extremes at
 * a moment are the bounds.
 */

/** The most that two clocks drift apart, in ms a ms. */
const MAX_RATE = 200e-6;
const WINDOW_MS = 120_000;
/** Over a way whose delays vary much, good samples are rare. Between bounds so far apart, a line fits them for
 * longer, though no clock drifts at a constant rate for ever. */
const LONG_WINDOW_MS = 600_000;
const FAR_APART_MS = 10;
const MAX_SAMPLES = 128;

/** @typedef {{sent: number, received: number, server: number}} Sample */
/** @typedef {{offset: number, rate: number}} Line */

export class OffsetBounds {
  /** @type {Sample[]} */
  #samples = [];
  /** @type {Line[]} */
  #vertices = [];
  #reference = 0;
  #base = 0;
  #step = 0;

  get isEmpty() {
    return this.#samples.length === 0;
  }

  reset() {
    this.#samples = [];
    this.#vertices = [];
  }

  /** Narrow the bounds by a sample. False if no line fits it together with the earlier ones: then the
   * bounds start again from it alone.
   * @param {Sample} sample @param {number} step of the page's clock, in ms: a reading is wrong by less */
  add(sample, step) {
    this.#step = step;
    const { low, high } = this.at(sample.received);
    const isWide = high - low > FAR_APART_MS;
    const since = sample.received - (isWide ? LONG_WINDOW_MS : WINDOW_MS);
    this.#samples = this.#samples.filter((earlier) => earlier.received > since).slice(1 - MAX_SAMPLES);
    this.#samples.push(sample);
    this.#reference = sample.received;
    this.#base = sample.server - sample.received;
    this.#vertices = this.#intersect(this.#samples);
    const fits = this.#vertices.length > 0;
    if (!fits) {
      this.#samples = [sample];
      this.#vertices = this.#intersect(this.#samples);
    }
    return fits;
  }

  /** The bounds of the offset at a moment of the page's clock, and the likeliest drift.
   * @param {number} now */
  at(now) {
    const offsets = this.#vertices.map((vertex) => vertex.offset + vertex.rate * (now - this.#reference));
    const rates = this.#vertices.map((vertex) => vertex.rate);
    return {
      low: this.#base + Math.min(...offsets),
      high: this.#base + Math.max(...offsets),
      rate: (Math.min(...rates) + Math.max(...rates)) / 2,
    };
  }

  /** The likely error of the middle if both ways are equally long: how much the quickest few differ,
   * since the quickest of many is about that far from the quickest possible. */
  likely() {
    if (this.#samples.length < 3) return Infinity;
    const { rate } = this.at(this.#reference);
    const drift = (/** @type {number} */ at) => rate * (this.#reference - at) - this.#base;
    const ups = this.#samples.map((one) => one.server - one.sent + drift(one.sent)).sort((a, b) => a - b);
    const downs = this.#samples.map((one) => one.received - one.server - drift(one.received)).sort((a, b) => a - b);
    return (ups[2] - ups[0] + downs[2] - downs[0]) / 2 + this.#step;
  }

  /** By how much the usual round trip is longer than the shortest. */
  spread() {
    const trips = this.#samples.map(({ sent, received }) => received - sent).sort((a, b) => a - b);
    return trips[Math.floor(trips.length / 2)] - trips[0];
  }

  /** The polygon of all lines that fit the samples; empty if none does.
   * @param {Sample[]} samples */
  #intersect(samples) {
    const newest = samples[samples.length - 1];
    const least = -1 - this.#step;
    const most = newest.received - newest.sent + 1 + this.#step;
    /** @type {Line[]} */
    let vertices = [
      { offset: least, rate: -MAX_RATE },
      { offset: most, rate: -MAX_RATE },
      { offset: most, rate: MAX_RATE },
      { offset: least, rate: MAX_RATE },
    ];
    for (const { sent, received, server } of samples) {
      vertices = clip(vertices, sent - this.#reference, server - sent - this.#base + this.#step, 1);
      vertices = clip(vertices, received - this.#reference, server - received - this.#base - this.#step, -1);
    }
    return vertices;
  }
}

/** The part of a polygon of lines that pass below (side 1) or above (side -1) `bound` at `at`.
 * @param {Line[]} vertices @param {number} at @param {number} bound @param {1 | -1} side */
function clip(vertices, at, bound, side) {
  const slack = vertices.map(({ offset, rate }) => side * (bound - offset - rate * at));
  /** @type {Line[]} */
  const clipped = [];
  vertices.forEach((vertex, index) => {
    const next = (index + 1) % vertices.length;
    if (slack[index] >= 0) clipped.push(vertex);
    if (slack[index] * slack[next] < 0) {
      const part = slack[index] / (slack[index] - slack[next]);
      clipped.push({
        offset: vertex.offset + part * (vertices[next].offset - vertex.offset),
        rate: vertex.rate + part * (vertices[next].rate - vertex.rate),
      });
    }
  });
  return clipped;
}
