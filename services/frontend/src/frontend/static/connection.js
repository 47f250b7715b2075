/** The socket to a coordinator: opened, watched, and opened again for as long as the page lives. */

/** @import {Frame} from "../../../types/protocol" */
/** @import {Surroundings} from "./timekeeper.js" */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const OPENING_MS = 5000;
/** A coordinator that says nothing for so long is gone; pongs come every second. */
const SILENCE_MS = 6000;
/** Who just looks at the page again does not wait so long. */
const PROBE_MS = 800;
/** Codes with which a coordinator says that it will never take this page. */
const REFUSALS = new Map([
  [1003, "the coordinator did not understand this page"],
  [1008, "the coordinator does not let this page into this room"],
  [1009, "the coordinator did not understand this page"],
]);

/** @typedef {"connecting" | "open" | "waiting" | "refused" | "resting"} Phase */
/**
 * @typedef {Surroundings & {
 *   random: () => number,
 *   open: (address: string) => WebSocket,
 *   isThere: (address: string) => Promise<boolean>,
 * }} Network `isThere`: whether somebody answers HTTP at a socket's address
 */

/** A random part of a limit, since many pages never may come back at once. The limit doubles with
 * each round of the addresses; within a round the next address is tried soon.
 * @param {number} failures @param {number} addresses @param {() => number} random */
export function wait(failures, addresses, random) {
  const rounds = failures % addresses === 0 ? failures / addresses : 1;
  return random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, rounds - 1));
}

export class Connection {
  /** @type {Phase} */
  phase = "resting";
  /** Why it is refused, or what was wrong last. */
  reason = "";
  failures = 0;
  /** Whether somebody was there and refused the handshake. */
  isTurnedAway = false;
  /** When the next try begins, by this page's clock. */
  retryAt = 0;
  /** When something was last heard; null before the first word. @type {number | null} */
  heardAt = null;
  /** When the present connection was asked for. */
  askedAt = 0;

  #network;
  #addresses;
  #query;
  #onframe;
  #onlost;
  #turn = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {number | undefined} */
  #timer;
  /** @type {number | undefined} */
  #watch;
  /** @type {number | null} */
  #window = null;

  /**
   * @param {Network} network
   * @param {string[]} addresses tried in turn
   * @param {() => string} query where to resume
   * @param {(frame: Frame) => void} onframe
   * @param {() => void} onlost
   */
  constructor(network, addresses, query, onframe, onlost) {
    this.#network = network;
    this.#addresses = addresses;
    this.#query = query;
    this.#onframe = onframe;
    this.#onlost = onlost;
  }

  connect() {
    this.rest();
    this.phase = "connecting";
    this.askedAt = this.#network.now();
    const socket = this.#network.open(this.#addresses[this.#turn % this.#addresses.length] + this.#query());
    this.#socket = socket;
    // Whatever an earlier socket still says is not for us.
    const ours = (/** @type {(event: any) => void} */ run) => (/** @type {Event} */ event) => {
      if (this.#socket === socket) run(event);
    };
    socket.onmessage = ours((event) => this.#heard(event.data));
    socket.onclose = ours((event) => this.#closed(event.code, event.reason));
    this.#timer = this.#network.later(() => this.#lost("no answer"), OPENING_MS);
  }

  /** Let go without coming back by itself. */
  rest() {
    this.#network.forget(this.#timer ?? 0);
    this.#network.forget(this.#watch ?? 0);
    const socket = this.#socket;
    this.#socket = null;
    this.phase = "resting";
    socket?.close();
  }

  /** Somebody looks, or the network is back: find out at once whether we are connected. */
  wake() {
    if (this.phase === "refused") return;
    if (this.phase === "open") this.#expect(PROBE_MS, () => this.connect());
    else if (this.phase !== "connecting" || this.#network.now() - this.askedAt > PROBE_MS) this.connect();
  }

  /** @param {object} frame */
  send(frame) {
    if (this.#socket === null || this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Give up for good. @param {string} reason */
  refuse(reason) {
    this.rest();
    this.phase = "refused";
    this.reason = reason;
    this.#onlost();
  }

  /** @param {string} data */
  #heard(data) {
    this.heardAt = this.#network.now();
    /** @type {Frame} */
    const frame = JSON.parse(data);
    if (frame.type === "hello") {
      this.#network.forget(this.#timer ?? 0);
      this.phase = "open";
      this.failures = 0;
      this.isTurnedAway = false;
      this.reason = "";
      this.#window = null;
    }
    if (frame.type === "bye") {
      this.#window = frame.reconnect_ms;
      this.reason = frame.reason;
    }
    this.#expect(SILENCE_MS);
    this.#onframe(frame);
  }

  /** Whatever is heard within so long puts `otherwise` off.
   * @param {number} ms @param {() => void} otherwise */
  #expect(ms, otherwise = () => this.#lost("silence")) {
    this.#network.forget(this.#watch ?? 0);
    this.#watch = this.#network.later(() => {
      // Hidden pages ask so seldom that silence means nothing there.
      if (this.#network.isHidden()) this.#expect(SILENCE_MS);
      else otherwise();
    }, ms);
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    const refusal = REFUSALS.get(code);
    if (refusal) this.refuse(reason ? `${refusal}: ${reason}` : refusal);
    else this.#lost(reason || (code === 1013 ? "the coordinator is full" : this.reason));
  }

  /** @param {string} reason */
  #lost(reason) {
    this.rest();
    this.#turn += 1;
    this.failures += 1;
    this.reason = reason;
    this.phase = "waiting";
    const { now, random, later, isThere } = this.#network;
    // A browser does not tell a page why a handshake failed.
    if (this.failures > 1)
      isThere(this.#addresses[(this.#turn - 1) % this.#addresses.length]).then((is) => {
        this.isTurnedAway = is && this.failures > 1;
      });
    const ms = this.#window === null ? wait(this.failures, this.#addresses.length, random) : random() * this.#window;
    this.#window = null;
    this.retryAt = now() + ms;
    this.#timer = later(() => this.connect(), ms);
    this.#onlost();
  }
}
