/** The page of a room: puts the parts together and passes word between them. */

/** @import {Frame, RoomReply} from "../../../types/protocol" */

import { OrderedTimers, PreciseTimer } from "./timers.js";
import { caption, Display } from "./display.js";
import { Connection } from "./connection.js";
import { controls } from "./controls.js";
import { DELAY_MS, showing } from "./countdown.js";
import { Finale } from "./finale.js";
import { options } from "./options.js";
import { messageBanner, messages } from "./messages.js";
import { byId, setText } from "./dom.js";
import { greeted, happened, isNew, read, resume, unknown } from "./room.js";
import { Screen } from "./screen.js";
import { milliseconds, status } from "./status.js";
import { save } from "./storage.js";
import { ServerClock } from "./server-clock.js";

/** @type {{hosts: string[], path: string, room: string, reply: RoomReply | null, now: number}} */
const given = JSON.parse(byId("data")?.textContent ?? "");
const root = document.documentElement;
const env = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimer: (/** @type {() => void} */ run, /** @type {number} */ ms) => setTimeout(run, ms),
  clearTimer: (/** @type {number} */ timer) => clearTimeout(timer),
  isHidden: () => document.visibilityState === "hidden",
};
const scheme = location.protocol === "https:" ? "wss" : "ws";
const hosts = given.hosts.length ? given.hosts : [location.host];

/** A correction of the clock by less shows no number again. */
const JITTER_MS = 300;

let room = unknown;
/** What was shown last, so that no number of a run is shown again. */
let last = { run: "", number: Infinity };
let isShown = false;

const display = new Display(given.room);
const finale = new Finale();
const screen = new Screen();
const list = messages(given.room);
const showBanner = messageBanner();
const pending = new OrderedTimers(env);
export const clock = new ServerClock(env, ping, () => connection.connect());
const timer = new PreciseTimer(env, () => clock.time());
const connection = new Connection(
  { ...env, random: Math.random, open: (address) => new WebSocket(address), isReachable },
  hosts.map((host) => `${scheme}://${host}${given.path}?room=${given.room}`),
  () => resume(room),
  onFrame,
  () => {
    clock.pause();
    updateStatus();
  },
);

/** @param {string} address */
function isReachable(address) {
  // Of another origin only that there is an answer can be known, and it is all that is asked.
  const asked = { mode: /** @type {const} */ ("no-cors"), signal: AbortSignal.timeout?.(2000) };
  return fetch(address.replace(/^ws/, "http"), asked).then(
    (response) => response.type === "opaque" || (response.status >= 400 && response.status < 500),
    () => false,
  );
}

/** @param {number} id @returns {boolean} */
function ping(id) {
  // A hidden page shows nothing on time, so it claims nothing.
  const claims = clock.isKnown && !env.isHidden();
  const error = Math.ceil(clock.bound() * 10) / 10;
  const seq = Math.max(room.seq, room.stateSeq);
  return connection.send({ type: "ping", id, ...(claims && { seq, error_ms: error }) });
}

/** @param {Frame} frame */
function onFrame(frame) {
  switch (frame.type) {
    case "hello":
      if (frame.protocol !== 1) return connection.refuse("this page is out of date: load it again");
      room = greeted(room, frame);
      clock.onHello(frame.instance, connection.requestedAt, frame.server_time);
      setText("viewers", `${frame.viewers}`);
      draw();
      break;
    case "started":
    case "tick":
    case "cancelled":
      if (!isNew(room, frame)) return;
      room = happened(room, frame);
      draw();
      break;
    case "message": {
      if (!isNew(room, frame)) return;
      room = read(room, frame);
      const { epoch } = room;
      if (list.isCleared(epoch, frame.seq)) return;
      // A message that seems to come from the future was timed by a clock that is ahead.
      const ms = Math.min(DELAY_MS, frame.at + DELAY_MS - clock.time());
      const isFresh = ms > -2000;
      pending.add(Math.max(0, isFresh ? ms : 0), () => {
        list.add(epoch, frame);
        if (isFresh && (isCounting() || root.dataset.view !== "room")) showBanner(frame.text);
      });
      break;
    }
    case "viewers":
      setText("viewers", `${frame.count}`);
      break;
    case "pong":
      clock.onPong(frame.id, frame.server_time);
      break;
    default: {
      // An event that only a newer page knows: what the room does now is not known here.
      const event = /** @type {import("./room.js").Happening} */ (/** @type {unknown} */ (frame));
      if (!event.run || !isNew(room, event)) return;
      room = happened(room, event);
      draw();
    }
  }
  updateStatus();
}

/** Show what is to be seen now, and be back in time for the next. */
function draw() {
  if (!clock.isSet && !isShown) return;
  const time = clock.time();
  const shown = showing(room.state, time);
  const run = room.state.run ?? "";
  if (shown.number !== null) {
    // What was shown is not shown again, unless it is the truth.
    const isTruth = (showing(room.state, time + JITTER_MS).number ?? 0) > last.number;
    if (run === last.run && !isTruth) shown.number = Math.min(shown.number, last.number);
    const isZero = shown.number === 0 && last.number === 1 && run === last.run;
    if (shown.number !== last.number) display.announce(shown.number);
    last = { run, number: shown.number };
    display.draw(shown, caption(shown, room.state, time));
    if (isZero) finale.play();
    else if (shown.number > 0) finale.stop();
  } else {
    if (run !== last.run) last = { run, number: Infinity };
    display.draw(shown, caption(shown, room.state, time));
  }
  isShown = true;
  screen.counting(isCounting());
  timer.set(shown.nextAt, draw);
}

function isCounting() {
  return room.state.status === "running" || room.state.status === "scheduled";
}

/** Say how much of this is sure. */
function updateStatus() {
  const now = env.now();
  const counting = isCounting();
  const shown = status({
    phase: connection.phase,
    reason: connection.reason,
    failures: connection.failures,
    isTurnedAway: connection.isTurnedAway,
    isOnline: navigator.onLine,
    retryIn: connection.retryAt - now,
    silentFor: connection.heardAt === null ? null : now - connection.heardAt,
    isKnown: clock.isKnown,
    bound: clock.bound(now),
    isCounting: counting,
    isLate: counting && showing(room.state, clock.time(now)).isLate,
  });
  root.dataset.light = shown.light;
  root.toggleAttribute("data-doubt", shown.light !== "green" && (shown.light !== "amber" || connection.phase !== "open"));
  const box = byId("status");
  if (box) box.dataset.light = shown.light;
  byId("now")?.toggleAttribute("hidden", !shown.canTry);
  setText("status-words", shown.words);
  setText("certain", `± ${milliseconds(clock.bound(now))}`);
  setText("likely", `± ${milliseconds(clock.likely())}`);
  byId("bar")?.toggleAttribute("data-calm", shown.light === "green");
}

/** Somebody looks again, or the network is back: be right at once, then find out. */
function wake() {
  clock.check();
  draw();
  if (connection.phase === "open") clock.burst();
  connection.wake();
  updateStatus();
}

controls(given.room, () => clock.time(), isCounting, () => screen.toggleFull());
options(given.room, finale, draw);
byId("now")?.addEventListener("click", () => connection.connect());
addEventListener("online", wake);
addEventListener("offline", updateStatus);
addEventListener("pageshow", (event) => event.persisted && connection.connect());
// A page with an open socket is not kept for the way back.
addEventListener("pagehide", () => connection.close());
document.addEventListener("visibilitychange", () => (env.isHidden() ? clock.burst() : wake()));

root.dataset.live = "";
root.removeAttribute("data-fallback");
save("again", null);
if (given.reply) room = { ...unknown, state: given.reply.state };
const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
// A page that comes from a cache tells an old time.
if (navigation && navigation.type !== "back_forward" && navigation.transferSize > 0) {
  clock.seed({ sent: navigation.requestStart, received: navigation.responseEnd, server: given.now });
  draw();
}
screen.counting(isCounting());
connection.connect();
setInterval(() => {
  updateStatus();
  if (isShown && room.state.status === "scheduled") draw();
}, 250);
