/** The forms start, change, recycle, cancel and send, submitted without leaving the page; and their keys. */

/** @import {State} from "../../../types/protocol" */
/** @import {ApiRequest} from "./api-requests.js" */
/** @typedef {(form: HTMLFormElement, button: HTMLButtonElement) => ApiRequest | string | null} ToRequest the
 * request of a form, or what is wrong with it, or null for neither */

import { DOUBLE_CLICK_MS, eachPress, newId, repeatable, send } from "./api-requests.js";
import { byId, setTextOf } from "./dom.js";
import { isCounting, isUnderWay } from "./room.js";
import { nextTime, onDate } from "./time-of-day.js";
import { holds, leadMs, number } from "./written.js";

/** How long Cancel waits for the second press that confirms it. */
const ARMED_MS = 3000;
/** The arrow keys, and whether they mean more time or less. */
const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * @param {string} room
 * @param {() => number} time the server's time
 * @param {() => State} state what is known of the room
 * @param {() => void} toggleFull
 */
export function controls(room, time, state, toggleFull) {
  const base = `${document.documentElement.dataset.base}/api/rooms/${room}`;
  const countdown = `${base}/countdown`;
  /** @param {string} id the form's @param {string} words the id of the element for what went wrong
   * @param {ToRequest} toRequest */
  const submit = (id, words, toRequest) =>
    onSubmit(byId(id), byId(words), (form) => field(form, "link"), toRequest);

  const starts = repeatable((form) => {
    const body = startBody(form, time());
    if (typeof body === "string") return body;
    return { method: "POST", address: countdown, body: { ...body, run: newId() } };
  });
  submit("start", "start-words", starts);
  const messages = repeatable((form) => ({
    method: "POST",
    address: `${base}/messages`,
    body: { text: field(form, "text"), id: newId() },
    onSuccess: () => form.reset(),
  }));
  submit("send", "message-words", messages);

  submit("change", "change-words", changes(countdown, state));
  const recycles = repeatable((form) => {
    const to = field(form, "to");
    const body = { run: state().run, id: newId(), to: number(to) ?? to };
    return { method: "POST", address: `${countdown}/recycle`, body, onSuccess: () => form.reset() };
  });
  submit("recycle", "change-words", recycles);
  submit("cancel", "cancel-words", cancels(countdown, state, byId("cancel-button")));

  addEventListener("keydown", (event) => {
    if (isForBrowser(event)) return;
    // Without controls only full screen is left, and the other keys scroll.
    if (!byId("start") && event.key !== "f" && event.key !== "F") return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && isCounting(state())) press("#cancel");
    else if (isIn(event, "input")) return;
    else if (event.key === "f" || event.key === "F") toggleFull();
    else onRunKey(event, state(), (part) => press(`#${part}`));
  });
}

/** The changes of a run: a request for each press of a button.
 * @param {string} countdown the address @param {() => State} state what is known of the room */
export function changes(countdown, state) {
  return eachPress((action, value) => {
    const body = { run: state().run, id: newId() };
    const more = action === "adjust" ? { seconds: Number(value) } : {};
    return { method: "POST", address: `${countdown}/${action}`, body: { ...body, ...more } };
  });
}

/** The cancel of a run: a request for the second press of the button.
 * @param {string} countdown the address @param {() => State} state what is known of the room
 * @param {Element | null} button @returns {ToRequest} */
export function cancels(countdown, state, button) {
  const isConfirmed = confirmation(button);
  return () => {
    const { run } = state();
    if (!isConfirmed(run)) return null;
    const query = run ? `?run=${encodeURIComponent(run)}` : "";
    return { method: "DELETE", address: `${countdown}${query}`, body: null };
  };
}

/** The keys for the run of a room: space starts or resumes, H holds or resumes, the arrows adjust.
 * @param {KeyboardEvent} event @param {State} state of the room
 * @param {(part: string) => void} pressPart presses what has this name in the room's controls */
export function onRunKey(event, state, pressPart) {
  const isHeld = state.status === "held";
  if (event.key === " " && !isIn(event, "button, summary, a")) {
    event.preventDefault();
    if (isHeld) pressPart("resume");
    else if (!isUnderWay(state)) pressPart("start");
  } else if (!isUnderWay(state)) return;
  else if (event.key === "h" || event.key === "H") pressPart(isHeld ? "resume" : "hold");
  else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    pressPart(`change [value="${ARROWS[event.key] * (event.shiftKey ? 60 : 10)}"]`);
  }
}

/** Whether an event is within one of these. @param {Event} event @param {string} parts a selector */
export function isIn({ target }, parts) {
  return target instanceof Element && target.closest(parts) !== null;
}

/** Whether a key is for an input method, a picker of a time, or to leave full screen. Safari ends the
 * composition before it tells of the key, and only its code 229 is left.
 * @param {KeyboardEvent} event */
export function isForBrowser(event) {
  if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return true;
  if (event.key !== "Escape") return false;
  const isPicker = event.target instanceof HTMLInputElement && ["time", "date"].includes(event.target.type);
  return isPicker || document.fullscreenElement !== null;
}

/** Submit a form, or press its button. @param {string} selector @param {ParentNode} where */
export function press(selector, where = document) {
  const part = where.querySelector(selector);
  if (part instanceof HTMLFormElement) part.requestSubmit();
  if (part instanceof HTMLButtonElement) part.form?.requestSubmit(part);
}

/**
 * Submit a form to the API, and show what went wrong.
 * @param {Element | null} form
 * @param {Element | null} words where to show it
 * @param {(form: HTMLFormElement) => string} link gives the one that carries the right, if one does
 * @param {ToRequest} toRequest
 */
export function onSubmit(form, words, link, toRequest) {
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const request = toRequest(form, /** @type {HTMLButtonElement} */ (event.submitter));
    if (request === null) return;
    setTextOf(words, "");
    setTextOf(words, typeof request === "string" ? request : await send(request, link(form)));
  });
}

/** The body of a start request, or what is wrong with the form; the server validates the rest.
 * @param {HTMLFormElement} form @param {number} time */
function startBody(form, time) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const name of ["from", "interval_ms", "warning", "danger"]) {
    const text = field(form, name);
    if (text) body[name] = number(text) ?? text;
  }
  if (field(form, "after_zero")) body.after_zero = field(form, "after_zero");
  const planned = holds(field(form, "holds"));
  if (typeof planned === "string")
    return `holds: “${planned}” should be a number, as in 60, or one for so many seconds, as in 60 for 600.`;
  if (planned.length) body.holds = planned;
  const ms = leadMs(field(form, "minutes"));
  if (Number.isNaN(ms)) return "minutes: should be minutes from now, as in 90 or 1.5, or a time, as in 99d; 100 days at most.";
  if (ms > 0) body.starts_at = Math.round(time + ms);
  const [clock, date] = [field(form, "at"), field(form, "on")];
  if (date && !clock) return "At time: is needed with a date.";
  if (clock) body.starts_at = date ? onDate(date, clock, time) : nextTime(clock, time);
  if (Number.isNaN(body.starts_at)) return "At time: clocks skip it on that date, as summer time begins.";
  return body;
}

/** @param {HTMLFormElement} form @param {string} name */
export function field(form, name) {
  return `${new FormData(form).get(name) ?? ""}`.trim();
}

/** A function that Cancel calls on each press, with the run that is shown; true on the second within a
 * few seconds, if the run is still the same. @param {Element | null} button */
export function confirmation(button) {
  const label = button?.textContent ?? "";
  let armedAt = -Infinity;
  let timer = 0;
  /** @type {string | null} */
  let armedFor = null;
  const disarm = () => {
    armedAt = -Infinity;
    clearTimeout(timer);
    button?.removeAttribute("data-armed");
    if (button) button.textContent = label;
  };
  return (/** @type {string | null} */ run) => {
    const since = performance.now() - armedAt;
    if (since < DOUBLE_CLICK_MS) return false;
    disarm();
    if (since < ARMED_MS && run === armedFor) return true;
    armedAt = performance.now();
    armedFor = run;
    button?.setAttribute("data-armed", "");
    if (button) button.textContent = "Press again to cancel";
    timer = setTimeout(disarm, ARMED_MS);
    return false;
  };
}
