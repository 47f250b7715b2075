/** The status indicator: whether the room's state is fresh, and how well the time is known. */

/** @import {RoomReply} from "../../../types/protocol" */
/** @import {Connection, Phase} from "./connection.js" */
/** @import {Transport} from "./retry.js" */
/** @import {ServerClock} from "./server-clock.js" */

import { byId, setText } from "./dom.js";

/** How long an answer may take, once a silent coordinator was asked. */
const ANSWER_MS = 1000;
/** With a larger bound the page does not say that it is in step. */
const IN_STEP_MS = 1000;
/** From here on the words name the browser's clock as the reason for the bound. */
const COARSE_STEP_MS = 5;

/**
 * @typedef {{
 *   phase: Phase,
 *   transport: Transport,
 *   reason: string,
 *   failures: number,
 *   isTurnedAway: boolean,
 *   isOnline: boolean,
 *   retryIn: number,
 *   silentFor: number | null,
 *   quietMs: number,
 *   isKnown: boolean,
 *   bound: number,
 *   step: number,
 *   isCounting: boolean,
 *   isLate: boolean,
 * }} Facts times in ms; `step` is that of the browser's clock
 */
/** @typedef {{light: "green" | "amber" | "estimating" | "red", words: string, canTry: boolean}} Status */

/** @param {Facts} facts @returns {Status} */
export function status(facts) {
  if (facts.phase === "refused") return { light: "red", words: facts.reason, canTry: true };
  const isFresh = facts.silentFor !== null && facts.silentFor < facts.quietMs + ANSWER_MS;
  if (facts.phase === "open" && isFresh) {
    if (facts.isLate) return { light: "estimating", words: "estimating, a tick is late", canTry: false };
    if (!facts.isKnown || facts.bound > IN_STEP_MS) return { light: "amber", words: "finding the time", canTry: false };
    const bound = `± ${milliseconds(facts.bound)}`;
    // What is asked for now and then is not at once on this screen, however well the time is known.
    if (facts.transport === "polling")
      return { light: "amber", words: join("a change is up to a second late", bound, stepWords(facts), "by polling, without messages"), canTry: false };
    const words = join(`in step, ${bound}`, stepWords(facts), facts.transport === "SSE" ? "by SSE" : "");
    return { light: "green", words, canTry: false };
  }
  const next = facts.phase === "waiting" ? nextTry(facts) : facts.phase === "connecting" ? "connecting" : "";
  const canTry = facts.phase === "waiting";
  if (facts.isTurnedAway && facts.phase !== "open")
    return { light: "red", words: join("the coordinator does not take this page, or is full", next), canTry };
  const heard = facts.silentFor === null ? "" : `last heard ${seconds(facts.silentFor)} ago`;
  if (facts.isCounting) return { light: "estimating", words: join("estimating", heard, next), canTry };
  return { light: "amber", words: join(next, heard) || "connecting", canTry };
}

/** Show how certain all this is: of the connection, and of the clock at `now`.
 * @param {Connection} connection @param {ServerClock} clock @param {number} now by the page's clock
 * @param {boolean} isCounting whether a run is under way, or counts on
 * @param {boolean} isLate whether an event has not come that should have */
export function showStatus(connection, clock, now, isCounting, isLate) {
  const facts = {
    phase: connection.phase,
    transport: connection.transport,
    reason: connection.reason,
    failures: connection.failures,
    isTurnedAway: connection.isTurnedAway,
    isOnline: navigator.onLine,
    retryIn: connection.retryAt - now,
    quietMs: connection.quietMs,
    silentFor: connection.heardAt === null ? null : now - connection.heardAt,
    isKnown: clock.isKnown,
    bound: clock.bound(now),
    step: clock.step,
    isCounting,
    isLate,
  };
  drawStatus(status(facts), facts, clock.likely());
}

/** @param {Status} shown @param {Facts} facts @param {number} likely the likely error of the clock, in ms */
function drawStatus({ light, words, canTry }, { phase, bound }, likely) {
  const root = document.documentElement;
  root.dataset.light = light;
  root.toggleAttribute("data-doubt", light !== "green" && (light !== "amber" || phase !== "open"));
  const box = byId("status");
  if (box) box.dataset.light = light;
  byId("now")?.toggleAttribute("hidden", !canTry);
  setText("status-words", words);
  setText("certain", `± ${milliseconds(bound)}`);
  setText("likely", `± ${milliseconds(likely)}`);
  byId("bar")?.toggleAttribute("data-calm", light === "green");
}

/** How well all screens of a room agree, as they report it. @param {RoomReply} reply */
export function agreement({ screens }) {
  const worst = screens.worst_error_ms === null ? "" : `, worst ± ${milliseconds(screens.worst_error_ms)}`;
  return `${screens.in_step} of ${screens.reporting} screens in step${worst}`;
}

/** A bound in words, rounded up. @param {number} ms */
export function milliseconds(ms) {
  if (!Number.isFinite(ms)) return "–";
  return ms < 1000 ? `${Math.ceil(ms)} ms` : `${Math.ceil(ms / 100) / 10} s`;
}

/** @param {Facts} facts */
function nextTry({ isOnline, retryIn, failures }) {
  if (!isOnline) return "this device is offline";
  return join(failures > 8 ? "no coordinator answers" : "", `next try in ${seconds(Math.max(0, retryIn))}`);
}

/** @param {Facts} facts */
function stepWords({ step }) {
  return step >= COARSE_STEP_MS ? `this browser's clock has steps of ${milliseconds(step)}` : "";
}

/** @param {number} ms */
function seconds(ms) {
  return `${Math.ceil(ms / 1000)} s`;
}

/** @param {...string} parts */
function join(...parts) {
  return parts.filter(Boolean).join(", ");
}
