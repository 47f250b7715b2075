/** The connection to a coordinator: opened, watched, and opened again for as long as the page lives. */

/** @import {Frame} from "../../../types/protocol" */
/** @import {Transport} from "./retry.js" */
/** @import {RoomFrame} from "./room.js" */
/** @import {Env} from "./timers.js" */

import { SILENCE_MS } from "./http-transports.js";
import { backoff, socketTries, transportOf } from "./retry.js";

const OPENING_MS = 5000;
/** A coordinator that was silent for so long is asked, and is gone if it does not answer. Both together are
 * six seconds while the page counts. */
const QUIET_COUNTING_MS = 2000;
const QUIET_MS = 8000;
const ANSWER_MS = 4000;
/** A connection that has lasted so long is good, and the next loss is the first. */
const GOOD_AFTER_MS = 5000;
/** With a lesser transport, how long until a better one is tried; doubled each time, up to a limit. */
const FIRST_UPGRADE_MS = 5000;
const LONGEST_UPGRADE_MS = 60_000;
/** A page that has just become visible does not wait so long. */
const PROBE_MS = 800;
/** Close codes with which a coordinator refuses this page for good. */
const REFUSALS = new Map([
  [1003, "the coordinator did not understand this page"],
  [1008, "the coordinator does not let this page into this room"],
  [1009, "the coordinator did not understand this page"],
]);

/** The part of a WebSocket that is used here.
 * @typedef {Pick<WebSocket, "readyState" | "close"> & {
 *   send: (text: string) => void,
 *   onmessage: ((event: any) => void) | null,
 *   onclose: ((event: any) => void) | null,
 *   onbytes?: (() => void) | null,
 * }} Socket `onbytes`: called by an event stream whenever anything comes, if only a comment
 */
/** @typedef {"connecting" | "open" | "waiting" | "refused" | "closed"} Phase */
/**
 * @typedef {Env & {
 *   open: (transport: Transport, address: string) => Socket,
 *   isReachable: (address: string) => Promise<boolean>,
 * }} Network `isReachable`: whether something answers HTTP at a socket's address
 */

export class Connection {
  /** @type {Phase} */
  phase = "closed";
  /** What the current connection is made of. @type {Transport} */
  transport = "WebSocket";
  /** Why it was refused, or why it was lost last. */
  reason = "";
  /** Attempts in a row without a connection that lasted. */
  failures = 0;
  /** Whether a coordinator is there but refused the handshake. */
  isTurnedAway = false;
  /** When the next attempt begins, by the page's clock. */
  retryAt = 0;
  /** When the coordinator was last heard; null before the first frame. @type {number | null} */
  heardAt = null;
  /** Whether the page counts: it is to find out soon if the coordinator is gone. */
  isCounting = false;
  /** When the current connection was requested. */
  requestedAt = 0;

  #network;
  #addresses;
  #query;
  #onFrame;
  #onQuiet;
  #onLost;
  #streams;
  #attempt = 0;
  #tries = 0;
  /** @type {Socket | null} */
  #socket = null;
  /** A better one, which is being tried. @type {Socket | null} */
  #upgrade = null;
  /** @type {number | undefined} */
  #upgradeTimer;
  #upgradeMs = FIRST_UPGRADE_MS;
  /** @type {number | undefined} */
  #timer;
  /** @type {number | undefined} */
  #watchdog;
  /** What `bye` asked for. @type {number | null} */
  #reconnectMs = null;

  /**
   * @param {Network} network
   * @param {string[]} addresses tried in turn
   * @param {() => string} query where to resume
   * @param {(frame: Frame | RoomFrame) => void} onFrame
   * @param {() => void} onQuiet called when the coordinator is to be asked for a sign of life
   * @param {() => void} onLost
   * @param {number} streams how many of the addresses have event streams
   */
  constructor(network, addresses, query, onFrame, onQuiet, onLost, streams = addresses.length) {
    this.#network = network;
    this.#addresses = addresses;
    this.#query = query;
    this.#onFrame = onFrame;
    this.#onQuiet = onQuiet;
    this.#onLost = onLost;
    this.#streams = streams;
  }

  connect() {
    this.close();
    this.phase = "connecting";
    // Without a loss since the last good connection, what it was made of works.
    if (this.failures > 0) this.transport = transportOf(this.#tries, this.#addresses.length, this.#streams);
    this.requestedAt = this.#network.now();
    this.#socket = this.#open(this.transport);
    this.#timer = this.#network.setTimer(() => this.#lose("no answer"), OPENING_MS);
  }

  /** Close without connecting again. */
  close() {
    this.#network.clearTimer(this.#timer ?? 0);
    this.#network.clearTimer(this.#watchdog ?? 0);
    this.#stopUpgrade();
    const socket = this.#socket;
    this.#socket = null;
    this.phase = "closed";
    socket?.close();
  }

  /** The page is visible or the network is back: find out at once whether it is connected. */
  wake() {
    if (this.phase === "refused") return;
    if (this.phase === "open") this.#expectFrame(PROBE_MS, () => this.connect());
    else if (this.phase !== "connecting" || this.#network.now() - this.requestedAt > PROBE_MS) this.connect();
  }

  /** How long a coordinator that is there may be silent unless it is asked, which an event stream can't do. */
  get quietMs() {
    return this.transport === "SSE" ? SILENCE_MS : this.#askAfterMs;
  }

  get #askAfterMs() {
    return this.isCounting ? QUIET_COUNTING_MS : QUIET_MS;
  }

  /** @param {object} frame */
  send(frame) {
    if (this.#socket === null || this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Give up for good. @param {string} reason */
  refuse(reason) {
    this.close();
    this.phase = "refused";
    this.reason = reason;
    this.#onLost();
  }

  /** @param {Transport} transport */
  #open(transport) {
    const address = this.#addresses[this.#attempt % this.#addresses.length];
    const socket = this.#network.open(transport, address + this.#query());
    // Events of an earlier socket may still arrive, and are ignored.
    const ifCurrent = (/** @type {(event: any) => void} */ handle) => (/** @type {Event} */ event) => {
      if (this.#socket === socket) handle(event);
    };
    socket.onmessage = ifCurrent((event) => this.#onMessage(event.data));
    socket.onclose = ifCurrent((event) => this.#onClose(event.code, event.reason));
    if (transport === "SSE") socket.onbytes = () => this.#socket === socket && this.#hear();
    return socket;
  }

  /** Try a better transport beside the current one after a while, and again until one says hello. */
  #upgradeLater() {
    this.#stopUpgrade();
    this.#upgradeTimer = this.#network.setTimer(() => {
      if (this.#network.isHidden()) this.#upgradeLater();
      else this.#tryUpgrade("WebSocket");
    }, this.#upgradeMs);
    this.#upgradeMs = Math.min(LONGEST_UPGRADE_MS, 2 * this.#upgradeMs);
  }

  /** @param {Transport} transport */
  #tryUpgrade(transport) {
    this.#stopUpgrade();
    const onFailure = () => {
      if (this.transport === "polling" && transport === "WebSocket" && this.#streams) this.#tryUpgrade("SSE");
      else this.#upgradeLater();
    };
    this.#attempt += 1;
    const requestedAt = this.#network.now();
    const socket = this.#open(transport);
    const { onmessage, onclose } = socket;
    this.#upgrade = socket;
    this.#upgradeTimer = this.#network.setTimer(onFailure, OPENING_MS);
    socket.onclose = () => this.#upgrade === socket && onFailure();
    socket.onmessage = (event) => {
      if (this.#upgrade !== socket) return;
      // Its first frame is a hello: from here on it is the connection.
      this.#upgrade = null;
      this.close();
      this.#socket = Object.assign(socket, { onmessage, onclose });
      this.#tries = 0;
      this.transport = transport;
      this.requestedAt = requestedAt;
      this.#onMessage(event.data);
    };
  }

  #stopUpgrade() {
    this.#network.clearTimer(this.#upgradeTimer ?? 0);
    const socket = this.#upgrade;
    this.#upgrade = null;
    socket?.close();
  }

  /** @param {string} data */
  #onMessage(data) {
    /** @type {Frame | RoomFrame} */
    const frame = JSON.parse(data);
    // Beside an event stream pings are answered by a frontend, which says nothing of the coordinator.
    if (this.transport !== "SSE" || frame.type !== "pong") this.#hear();
    if (frame.type === "hello") {
      this.#network.clearTimer(this.#timer ?? 0);
      this.#timer = this.#network.setTimer(() => this.#onGood(), GOOD_AFTER_MS);
      // Polling says hello for each room, and only the first one begins the wait.
      if (this.transport !== "WebSocket" && this.phase !== "open") this.#upgradeLater();
      this.phase = "open";
      this.isTurnedAway = false;
      this.reason = "";
      this.#reconnectMs = null;
    }
    if (frame.type === "bye") {
      this.#reconnectMs = frame.reconnect_ms;
      this.reason = frame.reason;
    }
    this.#onFrame(frame);
    this.#listen();
  }

  #hear() {
    this.heardAt = this.#network.now();
  }

  /** The connection has lasted: after it is lost, its transport is tried first. */
  #onGood() {
    this.failures = 0;
    if (this.transport === "WebSocket") {
      this.#tries = -1;
      this.#upgradeMs = FIRST_UPGRADE_MS;
    } else if (this.transport === "SSE") this.#tries = socketTries(this.#addresses.length) - 1;
  }

  /** If no frame comes for long, ask for one, and then give the coordinator up. */
  #listen() {
    if (this.phase !== "open") return;
    this.#expectFrame(this.#askAfterMs, () => {
      this.#expectFrame(ANSWER_MS, () => this.#lose("silence"));
      this.#onQuiet();
    });
  }

  /** Call `otherwise` unless a frame comes within `ms`.
   * @param {number} ms @param {() => void} otherwise */
  #expectFrame(ms, otherwise) {
    this.#network.clearTimer(this.#watchdog ?? 0);
    this.#watchdog = this.#network.setTimer(() => {
      // A hidden page pings so seldom that silence means nothing.
      if (this.#network.isHidden()) this.#listen();
      else otherwise();
    }, ms);
  }

  /** @param {number} code @param {string} reason */
  #onClose(code, reason) {
    const refusal = REFUSALS.get(code);
    if (refusal) this.refuse(reason ? `${refusal}: ${reason}` : refusal);
    else this.#lose(reason || (code === 1013 ? "the coordinator is full" : this.reason));
  }

  /** @param {string} reason */
  #lose(reason) {
    this.close();
    this.#attempt += 1;
    this.#tries += 1;
    this.failures += 1;
    this.reason = reason;
    this.phase = "waiting";
    const { now, random, setTimer, isReachable } = this.#network;
    // A browser does not tell a page why a handshake failed.
    if (this.failures > 1)
      isReachable(this.#addresses[(this.#attempt - 1) % this.#addresses.length]).then((isThere) => {
        this.isTurnedAway = isThere && this.phase !== "open";
      });
    const leave = random() * (this.#reconnectMs ?? 0);
    const ms = Math.max(leave, backoff(this.failures, this.#addresses.length, random));
    this.#reconnectMs = null;
    this.retryAt = now() + ms;
    this.#timer = setTimer(() => this.connect(), ms);
    this.#onLost();
  }
}
