/**
 * The board: many rooms over one connection, by one clock, and the way of a frame to its card.
 *
 * It goes as on a room's page: connection.js receives a frame, room.js says what its room is after it,
 * countdown.js what is to be shown of that, and card.js draws it.
 */

/** @import {Frame, RoomReply} from "../../../types/protocol" */
/** @import {Last} from "./countdown.js" */
/** @import {Room, RoomFrame} from "./room.js" */

import { Agenda } from "./agenda.js";
import { boardKeys, cardControls } from "./board-controls.js";
import { Card } from "./card.js";
import { Connection } from "./connection.js";
import { expected, nothing, showNext } from "./countdown.js";
import { byId, setText } from "./dom.js";
import { env, network, socketAddresses } from "./environment.js";
import { live } from "./lifecycle.js";
import { apply, initial, isCounting } from "./room.js";
import { resumeAll } from "./rooms.js";
import { Screen } from "./screen.js";
import { ServerClock } from "./server-clock.js";
import { showStatus } from "./status.js";

/** @type {{hosts: string[], path: string, rooms: string[], replies: (RoomReply | null)[], now: number, delay_ms: number}} */
const data = JSON.parse(byId("data")?.textContent ?? "");
const root = document.documentElement;
const isClock = root.dataset.format === "clock";
const STATUS_EVERY_MS = 250;
const SCREENS_EVERY_MS = 2000;

/** A room on the board; `last` is the last number shown of it.
 * @typedef {{name: string, card: Card, room: Room, last: Last}} Place */

/** @type {Map<string, Place>} */
const places = new Map(
  data.rooms.map((name, index) => {
    const card = new Card(/** @type {HTMLElement} */ (byId(`room-${name}`)));
    const reply = data.replies[index];
    return [name, { name, card, room: reply ? { ...initial, state: reply.state } : initial, last: nothing }];
  }),
);
const all = [...places.values()];
let isDrawn = false;
/** When the connection was requested that has said hello. */
let greetedAt = NaN;

const screen = new Screen();
export const clock = new ServerClock(env, (id) => connection.send({ type: "ping", id }), () => connection.connect());
/** @type {Agenda<Place>} */
const agenda = new Agenda(env, () => clock.time(), draw);
const connection = new Connection(
  network(data.rooms),
  // It counts by its clock, and asks for what the ticks would tell besides.
  socketAddresses(data, `rooms=${data.rooms}&ticks=0`),
  () => resumeAll(all.map(({ room }) => room)),
  onFrame,
  () => clock.ask(),
  () => {
    clock.pause();
    updateStatus();
  },
  // An event stream is of one room.
  0,
);

/** @param {Frame | RoomFrame} frame */
function onFrame(frame) {
  if (frame.type === "hello" && frame.protocol > 2)
    return connection.refuse("this page is out of date: load it again");
  if (frame.type === "pong") clock.onPong(frame.id, frame.server_time);
  const place = "room" in frame && frame.room ? places.get(frame.room) : undefined;
  if (place) onRoomFrame(place, frame);
  // The ticks of many rooms say little about the connection.
  if (frame.type === "hello" || frame.type === "pong") updateStatus();
}

/** @param {Place} place @param {Frame | RoomFrame} frame of its room */
function onRoomFrame(place, frame) {
  const before = place.room;
  place.room = apply(before, frame);
  if (frame.type === "hello" && greetedAt !== connection.requestedAt) {
    // The hellos of the other rooms come with the first, and tell nothing new of the time.
    greetedAt = connection.requestedAt;
    clock.onHello(frame.instance, greetedAt, frame.server_time, connection.transport !== "WebSocket");
  }
  if (frame.type === "hello" || frame.type === "room") place.card.setViewers(frame.viewers);
  if (frame.type === "viewers") place.card.setViewers(frame.count);
  if (place.room.state === before.state) return;
  for (const input of place.card.element.querySelectorAll(".shown-run"))
    /** @type {HTMLInputElement} */ (input).value = place.room.state.run ?? "";
  draw([place]);
}

/** Draw what is to be shown now of these rooms, and be back in time for the next change of each.
 * @param {Place[]} due */
function draw(due) {
  // Without any idea of the time there is nothing better than the first paint.
  if (!clock.isSet && !isDrawn) return;
  const time = clock.time();
  const drawn = due.map((place) => ({ place, shown: showNext(place.room, time, data.delay_ms, place.last) }));
  for (const { place, shown } of drawn) place.card.drawNumber(shown, isClock);
  for (const { place, shown } of drawn) {
    const words = place.card.draw(shown);
    if (words && isToBeRead(words, shown.number, place)) setText("announcer", `${place.name}: ${words}`);
    agenda.set(place, shown.nextAt);
    place.last = shown.last;
  }
  connection.isCounting = all.some(({ room }) => isCounting(room.state));
  screen.setRun(connection.isCounting, true);
  isDrawn = true;
}

/** Of the card that has the focus the last numbers are read out, of the others only what happens.
 * @param {string} words @param {number | null} number @param {Place} place */
function isToBeRead(words, number, { card }) {
  return number === 0 || /^(held|resumed)/.test(words) || card.element.contains(document.activeElement);
}

/** Show how certain all this is. */
function updateStatus() {
  const now = env.now();
  showStatus(connection, clock, now, connection.isCounting, all.some(({ card }) => card.isLate));
}

/** How many screens of each room are in step, and whether its ticks are late. */
async function updateScreens() {
  if (env.isHidden()) return;
  try {
    const response = await fetch(`${root.dataset.base}/api/rooms?names=${data.rooms}`);
    if (!response.ok) return;
    for (const { room, screens, state } of (await response.json()).rooms) {
      const card = places.get(room)?.card;
      card?.setScreens(screens);
      card?.setLate(isCounting(state) && expected(state, clock.time(), data.delay_ms).isLate);
    }
  } catch {
    // The status says that the network is away.
  }
}

for (const place of all) cardControls(place.card.element, () => place.room.state);
boardKeys(
  all.map(({ card }) => card.element),
  (card) => places.get(card.dataset.room ?? "")?.room.state ?? initial.state,
  () => screen.toggleFull(),
);
live(connection, clock, data.now, () => draw(all), updateStatus);
setInterval(() => {
  updateStatus();
  if (isDrawn) draw(all.filter(({ room }) => room.state.status === "scheduled"));
}, STATUS_EVERY_MS);
setInterval(updateScreens, SCREENS_EVERY_MS);
