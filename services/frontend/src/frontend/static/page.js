/**
 * The page of a room: the parts, and the way of a frame through them.
 *
 * connection.js receives a frame and calls `onFrame` here; room.js says what the room is after it,
 * countdown.js what is to be shown of it, and display.js draws that. Nothing goes back.
 */

/** @import {Frame, MessageFrame, RoomReply} from "../../../types/protocol" */
/** @import {RoomFrame} from "./room.js" */
/** @import {ShownReports} from "./shown-reports.js" */

// Time
import { ServerClock } from "./server-clock.js";
import { env, network, socketAddresses } from "./environment.js";
import { OrderedTimers, PreciseTimer } from "./timers.js";
// State
import { Connection } from "./connection.js";
import { apply, initial, isCounting, isMoving, resume } from "./room.js";
import { expected, nothing, showNext } from "./countdown.js";
import { dueAt } from "./plan.js";
import { live } from "./lifecycle.js";
import { save } from "./storage.js";
// Drawing
import { Display } from "./display.js";
import { Finale } from "./finale.js";
import { announceMessage, messageBanner, messageList } from "./messages.js";
import { Screen } from "./screen.js";
import { showStatus } from "./status.js";
import { byId, setText } from "./dom.js";
// Controls
import { controls } from "./controls.js";
import { options } from "./options.js";

/** @type {{hosts: string[], path: string, room: string, reply: RoomReply | null, now: number, delay_ms: number}} */
const data = JSON.parse(byId("data")?.textContent ?? "");
const root = document.documentElement;

/** An older message is listed, but not shown large. */
const RECENT_MS = 2000;
/** How soon a page reports that it shows something new, if that is not one of many ticks. */
const REPORT_WITHIN_MS = 2000;
/** A tick that is so much too early, or too late, tells that a clock was set, or that the way is jammed. */
const SUSPECT_MS = 100;
const SUSPECT_LATE_MS = 1000;
const STATUS_EVERY_MS = 250;

/** Asked for by `?trace`, and loaded only then. @type {ShownReports | undefined} */
let reports;
let room = data.reply ? { ...initial, state: data.reply.state } : initial;
let last = nothing;
let isDrawn = false;

const display = new Display(data.room);
const finale = new Finale();
const screen = new Screen();
const list = messageList(data.room);
const showBanner = messageBanner();
const messageTimers = new OrderedTimers(env);
export const clock = new ServerClock(env, ping, () => connection.connect());
const timer = new PreciseTimer(env, () => clock.time());
const connection = new Connection(
  network([data.room]),
  socketAddresses(data, `room=${data.room}`),
  () => resume(room),
  onFrame,
  () => clock.ask(),
  () => {
    clock.pause();
    updateStatus();
  },
);

/** @param {Frame | RoomFrame} frame */
function onFrame(frame) {
  if (frame.type === "hello" && frame.protocol > 2)
    return connection.refuse("this page is out of date: load it again");
  const before = room;
  room = apply(room, frame);
  switch (frame.type) {
    case "hello":
      clock.onHello(frame.instance, connection.requestedAt, frame.server_time, connection.transport !== "WebSocket");
      setText("viewers", `${frame.viewers}`);
      break;
    case "room":
      setText("viewers", `${frame.viewers}`);
      break;
    case "viewers":
      setText("viewers", `${frame.count}`);
      break;
    case "pong":
      clock.onPong(frame.id, frame.server_time);
      break;
    case "tick":
      // A replayed one is of another time.
      if (room.state !== before.state && isOutOfTime(frame.remaining)) clock.ask();
      break;
    case "message":
      if (room !== before) addMessage(frame);
  }
  if (room !== before && (frame.type !== "tick" || frame.remaining === 0)) clock.soon(REPORT_WITHIN_MS);
  if (room.state !== before.state) {
    connection.isCounting = isMoving(room.state);
    draw();
  }
  updateStatus();
}

/** Whether a tick has come at a time that makes one of the clocks suspect.
 * @param {number} remaining */
function isOutOfTime(remaining) {
  const late = clock.time() - dueAt(room.state, remaining);
  return clock.isKnown && (late < -clock.bound() - SUSPECT_MS || late > SUSPECT_LATE_MS);
}

/** Draw what is to be shown now, and be back in time for the next change. */
function draw() {
  // Without any idea of the time there is nothing better than the first paint.
  if (!clock.isSet && !isDrawn) return;
  const shown = showNext(room, clock.time(), data.delay_ms, last);
  display.draw(shown);
  finale.draw(shown);
  screen.setRun(isCounting(room.state), shown.status === "held");
  timer.set(shown.nextAt, draw);
  reports?.add(shown, clock.time());
  last = shown.last;
  isDrawn = true;
}

/** List a message, and show it large during a run: as late as everything else, and in order.
 * @param {MessageFrame} message */
function addMessage(message) {
  const { epoch } = room;
  if (list.isCleared(epoch, message.seq)) return;
  // The clock that timed the message may be ahead, so it waits for the delay at most.
  const ms = Math.min(data.delay_ms, message.at + data.delay_ms - clock.time());
  const isRecent = ms > -RECENT_MS;
  messageTimers.add(isRecent ? Math.max(0, ms) : 0, () => {
    list.add(epoch, message);
    if (isRecent) announceMessage(message.text);
    if (isRecent && (isCounting(room.state) || root.dataset.view !== "room")) showBanner(message.text);
  });
}

/** Show how certain all this is. */
function updateStatus() {
  const now = env.now();
  const isLate = isCounting(room.state) && expected(room.state, clock.time(now), data.delay_ms).isLate;
  showStatus(connection, clock, now, isCounting(room.state), isLate);
}

/** Send a ping; false if there is no connection.
 * @param {number} id @returns {boolean} */
function ping(id) {
  // A hidden page shows nothing on time, so it does not report to be in step.
  const isInStep = clock.isKnown && !env.isHidden();
  const error = Math.ceil(clock.bound() * 10) / 10;
  const seq = Math.max(room.seq, room.stateSeq);
  const shown = reports?.take();
  return connection.send({ type: "ping", id, ...(isInStep && { seq, error_ms: error }), ...(shown && { shown }) });
}

controls(data.room, () => clock.time(), () => room.state, () => screen.toggleFull());
options(data.room, finale, draw, () => screen.toggleFull());
root.removeAttribute("data-fallback");
if (new URLSearchParams(location.search).has("trace"))
  import("./shown-reports.js").then(({ ShownReports }) => {
    reports = new ShownReports(env, () => clock.soon(0));
  });
save("again", null);
screen.setRun(isCounting(room.state), room.state.status === "held");
live(connection, clock, data.now, draw, updateStatus);
setInterval(() => {
  updateStatus();
  if (isDrawn && room.state.status === "scheduled") draw();
}, STATUS_EVERY_MS);
