/**
 * The bounds of the server clock's offset: every ping and its pong narrow them.
 *
 * `offset` is the server's clock minus the page's, in ms. A drifting one is a line: each sample cuts the
 * plane of all lines twice, and a convex polygon remains (docs/same-instant.md).
 */

/** The most that two clocks drift apart, in ms a ms. */
const MAX_RATE = 200e-6;
const WINDOW_MS = 120_000;
/** Between bounds so far apart a line fits for longer, though not for ever. */
const LONG_WINDOW_MS = 600_000;
const FAR_APART_MS = 10;
const MAX_SAMPLES = 128;
const RATES = 64;

/** @typedef {{sent: number, received: number, server: number}} Sample */
/** @typedef {{offset: number, rate: number}} Line */

export class OffsetBounds {
  /** @type {Sample[]} */
  #samples = [];
  /** @type {Line[]} */
  #vertices = [];
  /** The likeliest. @type {Line} */
  #line = { offset: 0, rate: 0 };
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
    this.#line = this.#likeliest();
    return fits;
  }

  /** The bounds of the offset at a moment of the page's clock.
   * @param {number} now */
  at(now) {
    const offsets = this.#vertices.map(({ offset, rate }) => offset + rate * (now - this.#reference));
    return { low: this.#base + Math.min(...offsets), high: this.#base + Math.max(...offsets) };
  }

  /** @param {number} now */
  likeliest(now) {
    const { offset, rate } = this.#line;
    return { offset: this.#base + offset + rate * (now - this.#reference), rate };
  }

  /** The likely error if both ways are equally long: how far the quickest few are apart. */
  likely() {
    if (this.#samples.length < 3) return Infinity;
    const { rate } = this.#line;
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

  /** A mean of the lines: a rate weighs the more, the more of them fit. */
  #likeliest() {
    const rates = this.#vertices.map(({ rate }) => rate);
    const least = Math.min(...rates);
    const part = (Math.max(...rates) - least) / RATES;
    const chords = Array.from({ length: RATES }, (_, index) => this.#chord(least + (index + 0.5) * part));
    const widest = Math.max(...chords.map(({ width }) => width));
    const doubt = (this.spread() + this.#step) / this.#samples.length;
    const weights = chords.map(({ width }) => Math.exp((width - widest) / doubt));
    const mean = (/** @type {"offset" | "rate"} */ key) =>
      weights.reduce((sum, weight, index) => sum + weight * chords[index][key], 0) / weights.reduce((sum, weight) => sum + weight);
    return { offset: mean("offset"), rate: mean("rate") };
  }

  /** The offsets that fit at a rate: their middle and width. @param {number} rate */
  #chord(rate) {
    const ends = this.#vertices.flatMap((from, index) => {
      const to = this.#vertices[(index + 1) % this.#vertices.length];
      if (to.rate === from.rate) return rate === from.rate ? [from.offset] : [];
      const part = (rate - from.rate) / (to.rate - from.rate);
      return part >= 0 && part <= 1 ? [from.offset + part * (to.offset - from.offset)] : [];
    });
    const low = Math.min(...ends);
    const width = Math.max(...ends) - low;
    return { offset: low + width / 2, rate, width };
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
