/** The server's time on this page: measured by pings, with a bound on its error. */

/** @import {Sample} from "./offset-bounds.js" */
/** @import {Env} from "./timers.js" */

import { OffsetBounds } from "./offset-bounds.js";
import { SlewedOffset } from "./slew.js";

/** Pings of a burst at most. A coordinator accepts ten frames a second. */
const BURST = 32;
const BURST_GAP_MS = 145;
/** With a lesser bound more pings would tell little: the burst ends. */
const WELL_KNOWN_MS = 1;
/** A ping without a WebSocket is a request, so there are fewer. */
const HTTP_BURST = 8;
/** Each request may be answered by another frontend, whose machine's clock differs by so much at most. */
const HTTP_TOLERANCE_MS = 10;
/** The next ping is due when the bound has grown by so much, or by this part, as the clocks may drift apart. */
const DOUBT_MS = 0.5;
const DOUBT = 0.15;
const LEAST_GAP_MS = 1000;
/** Until so many pongs have come the pings stay frequent: how fast the clocks drift apart is not known yet. */
const ENOUGH = 96;
/** Good samples are the rarer the more the round trips vary: by so much, they take a ping in so many seconds. */
const STEADY_MS = 1.25;
const STEADY_GAP_MS = 16_000;
/** A coordinator takes a report for out of date after sixty seconds. */
const MOST_GAP_MS = 45_000;
/** Pages that were opened together do not ping together: a random part of each gap is left out. */
const SPREAD = 0.25;
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
  #nextAt = Infinity;
  /** Within what time the pong is to be followed by another ping. @type {number | null} */
  #soonAfter = null;
  /** @type {{id: number, sent: number} | null} */
  #outstanding = null;
  /** @type {number | undefined} */
  #timer;
  #gap;
  #isSettled = false;
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

  /** Measure again with as many pings as it takes: something may have changed the offset or the way. */
  burst() {
    this.#pings = 0;
    this.#outstanding = null;
    this.#pingIn(BURST_GAP_MS - this.#sincePing());
  }

  /** Ping as soon as may be: nothing was heard for long, or the page is hidden now and says so. */
  ask() {
    this.#outstanding = null;
    this.#pingIn(0);
  }

  /** Ping at a random moment within `ms`: there is something to report, and other pages have it, too.
   * @param {number} ms */
  soon(ms) {
    // A ping that is under way has not told it.
    if (this.#outstanding !== null) return void (this.#soonAfter = ms);
    const wait = ms * this.#env.random();
    if (this.#env.now() + wait < this.#nextAt) this.#pingIn(wait);
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
    this.#next();
    if (this.#soonAfter !== null) this.soon(this.#soonAfter);
    this.#soonAfter = null;
  }

  /** Detect a clock that jumped: before every ping, once a second, and when the page becomes visible. */
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
    this.#isSettled = false;
  }

  /** Whether to ask as often as a coordinator accepts. */
  get #isMeasuring() {
    return this.#pings < this.#burst && !this.#isWellKnown;
  }

  get #isWellKnown() {
    return this.isKnown && this.bound() <= WELL_KNOWN_MS + this.step;
  }

  /** @param {Sample} sample */
  #add({ sent, received, server }) {
    const sample = { sent: sent - this.#tolerance, received: received + this.#tolerance, server };
    // If a clock was set, the page steps to the new time instead of slewing towards it.
    if (!this.#bounds.add(sample, this.step)) {
      this.#pongs = this.#pings = 0;
      this.#isSettled = false;
    }
    const now = this.#env.now();
    const { offset, rate } = this.#bounds.likeliest(now);
    if (this.#isSettled && !this.#env.isHidden()) this.#offset.slew(now, offset, rate);
    else this.#offset.step(now, offset, rate);
    this.#isSettled ||= !this.#isMeasuring;
  }

  /** Ping again when it is needed. */
  #next() {
    const { isHidden, random } = this.#env;
    const gap = isHidden() ? MOST_GAP_MS : this.#neededGap();
    this.#pingIn(gap * (1 - SPREAD * random()) - this.#sincePing());
  }

  /** If the page's own clock was set back, nothing must wait for it to catch up. */
  #sincePing() {
    return Math.max(0, this.#env.now() - this.#pingedAt);
  }

  #neededGap() {
    if (this.#isMeasuring) return BURST_GAP_MS;
    if (this.#pongs < ENOUGH && !this.#isWellKnown) return LEAST_GAP_MS;
    const bound = this.bound();
    // It may shrink for a while, as the time shown is slewed towards the middle.
    const growth = Math.max(0, this.bound(this.#env.now() + MOST_GAP_MS) - bound);
    const untilInDoubt = (MOST_GAP_MS * Math.max(DOUBT_MS, DOUBT * bound)) / growth;
    const forSamples = (STEADY_GAP_MS * (STEADY_MS + this.step)) / this.#bounds.spread();
    return Math.max(LEAST_GAP_MS, Math.min(MOST_GAP_MS, forSamples, untilInDoubt));
  }

  /** Never more often than a coordinator accepts: it takes who pings more often for an attacker.
   * @param {number} ms */
  #pingIn(ms) {
    const { now, setTimer, clearTimer } = this.#env;
    const wait = Math.max(0, ms, BURST_GAP_MS * (1 - SPREAD) - this.#sincePing());
    clearTimer(this.#timer ?? 0);
    this.#nextAt = now() + wait;
    this.#timer = setTimer(() => this.#ping(), wait);
  }

  #ping() {
    this.check();
    if (this.#outstanding !== null) return;
    const id = ++this.#id;
    this.#nextAt = Infinity;
    this.#pingedAt = this.#env.now();
    if (!this.#send(id)) return;
    this.#pings += 1;
    this.#outstanding = { id, sent: this.#pingedAt };
  }
}
