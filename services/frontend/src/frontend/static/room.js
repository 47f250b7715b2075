/** A room as its frames report it: every event counts once, in order, over any number of connections. */

/** @import {AdjustedFrame, CancelledFrame, Frame, HeldFrame, Hello, RecycledFrame, ResumedFrame, RoomReply, StartedFrame, State, TickDelta, TickFrame} from "../../../types/protocol" */

/** @typedef {StartedFrame | TickFrame | HeldFrame | ResumedFrame | AdjustedFrame | RecycledFrame | CancelledFrame} EventFrame */
/** @typedef {{state: State, until: number}} Earlier a state that counts until that moment, in epoch ms */
/**
 * @typedef {{epoch: string, seq: number, stateSeq: number, state: State, earlier: Earlier[]}} Room `seq` is
 * the last frame received, `stateSeq` the event that `state` is of: a replay starts before it; `earlier`
 * are the states before it that are still to be shown, oldest first
 */

const EVENTS = new Set(["started", "tick", "held", "resumed", "adjusted", "recycled", "cancelled"]);
/** What is shown is never so far behind the server's time. */
const BEHIND_MS = 1000;

/** @type {Room} */
export const initial = {
  epoch: "",
  seq: 0,
  stateSeq: 0,
  state: {
    status: "idle",
    run: null,
    from: null,
    interval_ms: null,
    starts_at: null,
    remaining: null,
    held_at: null,
    held_until: null,
    finished_at: null,
    after_zero: "stop",
    warning: null,
    danger: null,
    change: null,
    holds: [],
  },
  earlier: [],
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
    case "tick":
      if (!("run" in frame)) return frame.seq > room.seq ? count(room, frame) : room;
    // falls through: it carries the terms of its run
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
  return { epoch: hello.epoch, seq, stateSeq: hello.seq, state: hello.state, earlier: [] };
}

/** The state that counts at `moment`, in epoch ms, and until when, if the next is known already.
 * @param {Room} room @param {number} moment @returns {{state: State, until: number | null}} */
export function stateAt(room, moment) {
  return room.earlier.find(({ until }) => moment < until) ?? { state: room.state, until: null };
}

/** Whether a run is under way: it may be held. @param {State} state */
export function isUnderWay({ status }) {
  return status === "scheduled" || status === "running" || status === "held";
}

/** Whether the number is changing by itself. @param {State} state */
export function isMoving({ status, after_zero }) {
  return status === "running" || (status === "finished" && after_zero === "count");
}

/** Whether the number still changes by itself, or will: also after zero. @param {State} state */
export function isCounting(state) {
  return isUnderWay(state) || (state.status === "finished" && state.after_zero === "count");
}

/** @param {Room} room @param {EventFrame} event @returns {Room} */
function advance(room, event) {
  const { seq } = event;
  if (seq <= room.stateSeq) return { ...room, seq };
  return { ...room, seq, stateSeq: seq, state: stateOf(event), earlier: earlierThan(room, event) };
}

/** A tick that leaves the terms as they are.
 * @param {Room} room @param {TickDelta} tick @returns {Room} */
function count(room, { seq, remaining }) {
  if (seq <= room.stateSeq) return { ...room, seq };
  const { state } = room;
  const isLast = remaining === 0;
  const finished_at = isLast ? Number(state.starts_at) + Number(state.from) * Number(state.interval_ms) : null;
  /** @type {State["status"]} */
  const status = isLast ? "finished" : "running";
  return { ...room, seq, stateSeq: seq, state: { ...state, status, remaining, finished_at } };
}

/** The states that are to be shown before that of `event`. Ticks and holds leave the numbers where they are.
 * @param {Room} room @param {EventFrame} event @returns {Earlier[]} */
function earlierThan({ state, earlier }, event) {
  if (event.type === "tick" || event.type === "held") return earlier;
  if (event.type !== "resumed" && event.type !== "adjusted" && event.type !== "recycled") return [];
  const until = event.at;
  return [...earlier.filter((one) => one.until > until - BEHIND_MS), { state, until }];
}

/** The state after an event; `frames.state_of` in Python, and both are tested by the same cases.
 * @param {EventFrame} event @returns {State} */
export function stateOf(event) {
  // An event that only a newer version knows may lack some of the terms; of others, the usual ones are left out.
  const { run, from = null, interval_ms = null, starts_at = null } = event;
  const { held_at = null, held_until = null, holds = [], change = null } = event;
  const { after_zero = "stop", warning = null, danger = null } = event;
  const remaining = "remaining" in event ? event.remaining : null;
  const terms = { ...initial.state, run, from, interval_ms, starts_at };
  if (!EVENTS.has(event.type)) return { ...terms, status: "unknown" };
  const status = statusOf(event.type, remaining, held_at);
  const finished_at = status === "finished" ? event.starts_at + event.from * event.interval_ms : null;
  return { ...terms, status, remaining, held_at, held_until, finished_at, after_zero, warning, danger, change, holds };
}

/** @param {EventFrame["type"]} type @param {number | null} remaining @param {number | null} heldAt */
function statusOf(type, remaining, heldAt) {
  if (type === "cancelled") return type;
  if (type === "tick" && remaining === 0) return "finished";
  if (heldAt !== null) return "held";
  return remaining === null ? "scheduled" : "running";
}
