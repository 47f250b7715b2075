/** A room as its frames tell it: each is taken once, in order, over any number of connections. */

/** @import {Hello, State, StartedFrame, TickFrame, CancelledFrame} from "../../../types/protocol" */

/** @typedef {StartedFrame | TickFrame | CancelledFrame} Happening */
/** @typedef {{epoch: string, seq: number, stateSeq: number, state: State}} Room */

/** @type {Room} */
export const unknown = {
  epoch: "",
  seq: 0,
  stateSeq: 0,
  state: { status: "idle", run: null, from: null, interval_ms: null, starts_at: null, remaining: null },
};

/** The room after a connection's first word. What is replayed after it is new to who was away, but
 * the state already includes it.
 * @param {Room} room @param {Hello} hello @returns {Room} */
export function greeted(room, hello) {
  const seq = hello.epoch === room.epoch ? room.seq : 0;
  return { epoch: hello.epoch, seq, stateSeq: hello.seq, state: hello.state };
}

/** Whether a frame was not seen before. @param {Room} room @param {{seq: number}} frame */
export function isNew(room, frame) {
  return frame.seq > room.seq;
}

/** The room after a message, which changes nothing but the place in the stream.
 * @param {Room} room @param {{seq: number}} frame @returns {Room} */
export function read(room, frame) {
  return { ...room, seq: Math.max(room.seq, frame.seq) };
}

/** The room after an event; one that is known already changes nothing.
 * @param {Room} room @param {Happening} event @returns {Room} */
export function happened(room, event) {
  const after = read(room, event);
  if (event.seq <= room.stateSeq) return after;
  return { ...after, stateSeq: event.seq, state: state(event) };
}

/** Where a connection resumes. @param {Room} room */
export function resume(room) {
  return room.seq > 0 ? `&epoch=${encodeURIComponent(room.epoch)}&after=${room.seq}` : "";
}

/** @param {Happening} event @returns {State} */
function state(event) {
  const { run, from, interval_ms, starts_at } = event;
  const terms = { run, from, interval_ms, starts_at };
  switch (event.type) {
    case "started":
      return { status: "scheduled", ...terms, remaining: null };
    case "tick":
      return { status: event.remaining > 0 ? "running" : "finished", ...terms, remaining: event.remaining };
    case "cancelled":
      return { status: "cancelled", ...terms, remaining: event.remaining };
    default:
      return { ...unknown.state, status: "unknown" };
  }
}
