/** The server's time on this page: measured by pings, with a bound on its error. */

/** @import {Sample} from "./offset-bounds.js" */
/** @import {Env} from "./timers.js" */

import { OffsetBounds } from "./offset-bounds.js";
import { SlewedOffset } from "./slew.js";

/** Pings of a burst, after which there is one a second. A coordinator accepts ten frames a second. */
const BURST = 32;
const BURST_GAP_MS = 125;
/** A ping without a WebSocket is a request, so there are fewer. */
const HTTP_BURST = 8;
/** Each request may be answered by another frontend, whose machine's clock differs by so much at most. */
const HTTP_TOLERANCE_MS = 10;
const GAP_MS = 1000;
/** Before that many pongs the time counts as an estimate. */
const KNOWN_AFTER = 8;
/** If the wall clock and the page's move apart by more than this and their steps, the device slept or a
 * clock was set. */
const JUMP_MS = 50;
/** A page's clock is taken for no finer, and until its step is learned for no coarser. */
const FINEST_MS = 0.1;
const COARSEST_MS = 1000;

export class ServerClock {
  #bounds = new OffsetBounds();
  #offset = new SlewedOffset();
  #env;
  #send;
  #onJump;
  #instance = "";
  #id = 0;
  #pongs = 0;
  #pings = 0;
  #pingedAt = -Infinity;
  /** @type {{id: number, sent: number} | null} */
  #outstanding = null;
  /** @type {number | undefined} */
  #timer;
  #gap;
  #burst = BURST;
  #tolerance = 0;

  /** @param {Env} env @param {(id: number) => boolean} send sends a ping; false if it could not
   * @param {() => void} onJump */
  constructor(env, send, onJump) {
    this.#env = env;
    this.#send = send;
    this.#onJump = onJump;
    this.#gap = env.wall() - env.now();
  }

  /** Whether there is any estimate. */
  get isSet() {
    return !this.#bounds.isEmpty;
  }

  /** Whether the estimate rests on enough pongs. */
  get isKnown() {
    return this.#pongs >= KNOWN_AFTER;
  }

  /** The step in which the page's clock moves, in ms. */
  get step() {
    return Math.min(COARSEST_MS, Math.max(FINEST_MS, this.#env.step()));
  }

  /** The server's time, as this page shows it. */
  time(now = this.#env.now()) {
    return now + this.#offset.at(now);
  }

  /** The guaranteed bound of the error of `time()`, in ms, however asymmetric the ways are. */
  bound(now = this.#env.now()) {
    if (this.#bounds.isEmpty) return Infinity;
    const { low, high } = this.#bounds.at(now);
    const offset = this.#offset.at(now);
    return Math.max(offset - low, high - offset) + this.step;
  }

  /** The likely error, if the way there is as long as the way back. */
  likely() {
    return Math.min(this.#bounds.likely(), this.bound());
  }

  /** Start from the page's own load, until a coordinator answers.
   * @param {Sample} sample */
  seed(sample) {
    this.#add(sample);
  }

  /** A connection has begun: its handshake is the first sample.
   * @param {string} instance @param {number} requestedAt @param {number} server
   * @param {boolean} isOverHttp whether its pings are requests */
  onHello(instance, requestedAt, server, isOverHttp = false) {
    if (instance !== this.#instance) this.#reset();
    this.#instance = instance;
    this.#burst = isOverHttp ? HTTP_BURST : BURST;
    this.#tolerance = isOverHttp ? HTTP_TOLERANCE_MS : 0;
    // `hello` carries whole milliseconds, truncated or rounded.
    this.#add({ sent: requestedAt - 1, received: this.#env.now() + 1, server });
    this.burst();
  }

  /** Measure again with many pings: something may have changed the offset or the way. */
  burst() {
    this.#pings = 0;
    this.#outstanding = null;
    this.#schedule();
  }

  /** Stop pinging while there is no connection; the clock goes on. */
  pause() {
    this.#env.clearTimer(this.#timer ?? 0);
    this.#outstanding = null;
  }

  /** @param {number} id @param {number} server */
  onPong(id, server) {
    const ping = this.#outstanding;
    // The pong of a ping from before the page was hidden measures the hiding, not the way.
    if (ping === null || ping.id !== id) return;
    this.#outstanding = null;
    this.#pongs += 1;
    this.#add({ sent: ping.sent, received: this.#env.now(), server });
    this.#schedule();
  }

  /** Detect a clock that jumped, before every ping and whenever the page becomes visible. */
  check() {
    const gap = this.#env.wall() - this.#env.now();
    // Each of four readings may be wrong by a step.
    const rounding = 2 * (this.step + Math.min(COARSEST_MS, this.#env.wallStep()));
    const jumped = Math.abs(gap - this.#gap) > JUMP_MS + rounding;
    this.#gap = gap;
    if (jumped) {
      this.#reset();
      this.burst();
      this.#onJump();
    }
  }

  #reset() {
    this.#bounds.reset();
    this.#pongs = 0;
    this.#pings = 0;
  }

  /** @param {Sample} sample */
  #add({ sent, received, server }) {
    const sample = { sent: sent - this.#tolerance, received: received + this.#tolerance, server };
    // If a clock was set, the page steps to the new time instead of slewing towards it.
    if (!this.#bounds.add(sample, this.step)) this.#pongs = this.#pings = 0;
    const now = this.#env.now();
    const { low, high, rate } = this.#bounds.at(now);
    const isSettled = this.#pongs > this.#burst && !this.#env.isHidden();
    if (isSettled) this.#offset.slew(now, (low + high) / 2, rate);
    else this.#offset.step(now, (low + high) / 2, rate);
  }

  #schedule() {
    const { now, setTimer, clearTimer } = this.#env;
    clearTimer(this.#timer ?? 0);
    const gap = this.#pings < this.#burst ? BURST_GAP_MS : GAP_MS;
    // If the page's own clock was set back, this must not wait for it to catch up.
    const since = Math.max(0, now() - this.#pingedAt);
    this.#timer = setTimer(() => this.#ping(), Math.max(0, gap - since));
  }

  #ping() {
    this.check();
    if (this.#outstanding !== null) return;
    const id = ++this.#id;
    this.#pingedAt = this.#env.now();
    if (!this.#send(id)) return;
    this.#pings += 1;
    this.#outstanding = { id, sent: this.#pingedAt };
  }
}
