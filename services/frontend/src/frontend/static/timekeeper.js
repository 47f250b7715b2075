/** The server's time on this page: asks for it with pings, and says how well it is known. */

import { Clock, STEP_MS } from "./clock.js";
import { Steady } from "./steady.js";

/** So many pings one after another, then one a second. A coordinator takes ten frames a second. */
const BURST = 32;
const BURST_GAP_MS = 125;
const GAP_MS = 1000;
/** Until then the time is an estimate, and said to be one. */
const ENOUGH = 8;
/** The wall clock and the page's went apart by more: a sleep, or somebody set the clock. */
const JUMP_MS = 50;

/**
 * @typedef {{
 *   now: () => number,
 *   wall: () => number,
 *   later: (run: () => void, ms: number) => number,
 *   forget: (timer: number) => void,
 *   isHidden: () => boolean,
 * }} Surroundings what a page gives, and a test in its place
 */

export class Timekeeper {
  #clock = new Clock();
  #steady = new Steady();
  #surroundings;
  #send;
  #onjump;
  #instance = "";
  #id = 0;
  #pongs = 0;
  #asked = 0;
  #sentAt = -Infinity;
  /** @type {{id: number, sent: number} | null} */
  #outstanding = null;
  /** @type {number | undefined} */
  #timer;
  #gap;

  /** @param {Surroundings} surroundings @param {(id: number) => boolean} send whether it was sent
   * @param {() => void} onjump */
  constructor(surroundings, send, onjump) {
    this.#surroundings = surroundings;
    this.#send = send;
    this.#onjump = onjump;
    this.#gap = surroundings.wall() - surroundings.now();
  }

  /** Whether there is any estimate. */
  get isSet() {
    return !this.#clock.isEmpty;
  }

  /** Whether the estimate is a good one. */
  get isKnown() {
    return this.#pongs >= ENOUGH;
  }

  /** The server's time, as this page shows it. */
  time(now = this.#surroundings.now()) {
    return now + this.#steady.at(now);
  }

  /** How far `time()` is off at most, in ms, whatever the ways are like. */
  bound(now = this.#surroundings.now()) {
    if (this.#clock.isEmpty) return Infinity;
    const { low, high } = this.#clock.at(now);
    const shown = this.#steady.at(now);
    return Math.max(shown - low, high - shown) + STEP_MS;
  }

  /** How far it is likely off, where the way there is as long as the way back. */
  likely() {
    return Math.min(this.#clock.likely(), this.bound());
  }

  /** What the page itself was told of the time, until a coordinator tells more.
   * @param {import("./clock.js").Sample} sample */
  guess(sample) {
    this.#take(sample);
  }

  /** A connection begins: what it took to get its first word is the first sample.
   * @param {string} instance @param {number} asked @param {number} server */
  begin(instance, asked, server) {
    if (instance !== this.#instance) this.#restart();
    this.#instance = instance;
    // `hello` carries whole milliseconds, cut or rounded.
    this.#take({ sent: asked - 1, received: this.#surroundings.now() + 1, server });
    this.again();
  }

  /** Ask many times again, for something happened that may have changed the answer. */
  again() {
    this.#asked = 0;
    this.#outstanding = null;
    this.#plan();
  }

  /** The connection is gone; time goes on. */
  pause() {
    this.#surroundings.forget(this.#timer ?? 0);
    this.#outstanding = null;
  }

  /** @param {number} id @param {number} server */
  pong(id, server) {
    const asked = this.#outstanding;
    // One that was asked before the page was hidden says little: what came between is not the way.
    if (asked === null || asked.id !== id) return;
    this.#outstanding = null;
    this.#pongs += 1;
    this.#take({ sent: asked.sent, received: this.#surroundings.now(), server });
    this.#plan();
  }

  /** Notice a clock that jumped; whoever looks at the page again calls this too. */
  check() {
    const gap = this.#surroundings.wall() - this.#surroundings.now();
    const jumped = Math.abs(gap - this.#gap) > JUMP_MS;
    this.#gap = gap;
    if (jumped) {
      this.#restart();
      this.again();
      this.#onjump();
    }
  }

  #restart() {
    this.#clock.forget();
    this.#pongs = 0;
    this.#asked = 0;
  }

  /** @param {import("./clock.js").Sample} sample */
  #take(sample) {
    // One of the clocks was set: what is shown must not creep after it.
    if (!this.#clock.add(sample)) this.#pongs = this.#asked = 0;
    const now = this.#surroundings.now();
    const { low, high, rate } = this.#clock.at(now);
    const isSettled = this.#pongs > BURST && !this.#surroundings.isHidden();
    if (isSettled) this.#steady.slew(now, (low + high) / 2, rate);
    else this.#steady.step(now, (low + high) / 2, rate);
  }

  #plan() {
    const { now, later, forget } = this.#surroundings;
    forget(this.#timer ?? 0);
    const gap = this.#asked < BURST ? BURST_GAP_MS : GAP_MS;
    // A page's own clock that went back must not make it wait.
    const since = Math.max(0, now() - this.#sentAt);
    this.#timer = later(() => this.#ask(), Math.max(0, gap - since));
  }

  #ask() {
    this.check();
    if (this.#outstanding !== null) return;
    const id = ++this.#id;
    this.#sentAt = this.#surroundings.now();
    if (!this.#send(id)) return;
    this.#asked += 1;
    this.#outstanding = { id, sent: this.#sentAt };
  }
}
