/** A room as its frames report it: every event counts once, in order, over any number of connections. */

/** @import {CancelledFrame, Frame, Hello, RoomReply, StartedFrame, State, TickFrame} from "../../../types/protocol" */

/** @typedef {StartedFrame | TickFrame | CancelledFrame} EventFrame */
/**
 * @typedef {{epoch: string, seq: number, stateSeq: number, state: State}} Room `seq` is the last frame
 * received, `stateSeq` the event that `state` is of: a replay starts before it
 */

/** @type {Room} */
export const initial = {
  epoch: "",
  seq: 0,
  stateSeq: 0,
  state: { status: "idle", run: null, from: null, interval_ms: null, starts_at: null, remaining: null },
};

/** @typedef {{type: "room"} & RoomReply} RoomFrame the state as the JSON API has it; no coordinator sends this */

/** The room after a frame; the same object if the frame changes nothing.
 * @param {Room} room @param {Frame | RoomFrame} frame @returns {Room} */
export function apply(room, frame) {
  switch (frame.type) {
    case "hello":
    case "room":
      return greet(room, frame);
    case "message":
      return frame.seq > room.seq ? { ...room, seq: frame.seq } : room;
    case "viewers":
    case "pong":
    case "bye":
      return room;
    default:
      // Anything else with a run is an event, even if only a newer page knows its type.
      return frame.run && frame.seq > room.seq ? advance(room, frame) : room;
  }
}

/** The query that resumes after the last frame received. @param {Room} room */
export function resume(room) {
  return room.seq > 0 ? `&epoch=${encodeURIComponent(room.epoch)}&after=${room.seq}` : "";
}

/** A viewer that was away is sent what it missed after `hello`, whose state already includes it. If the
 * stream was restored from a backup, it ends before what was received, and goes on from there.
 * @param {Room} room @param {Hello | RoomFrame} hello @returns {Room} */
function greet(room, hello) {
  const seq = hello.epoch === room.epoch ? Math.min(room.seq, hello.seq) : 0;
  return { epoch: hello.epoch, seq, stateSeq: hello.seq, state: hello.state };
}

/** @param {Room} room @param {EventFrame} event @returns {Room} */
function advance(room, event) {
  const { seq } = event;
  if (seq <= room.stateSeq) return { ...room, seq };
  return { ...room, seq, stateSeq: seq, state: stateOf(event) };
}

/** The state after an event; `frames.state_of` in Python, and both are tested by the same cases.
 * @param {EventFrame} event @returns {State} */
export function stateOf(event) {
  // An event that only a newer version knows may lack some of the terms.
  const { run, from = null, interval_ms = null, starts_at = null } = event;
  const terms = { run, from, interval_ms, starts_at };
  switch (event.type) {
    case "started":
      return { status: "scheduled", ...terms, remaining: null };
    case "tick":
      return { status: event.remaining > 0 ? "running" : "finished", ...terms, remaining: event.remaining };
    case "cancelled":
      return { status: "cancelled", ...terms, remaining: event.remaining };
    default:
      return { status: "unknown", ...terms, remaining: null };
  }
}
