/** The forms start, change, recycle, cancel and send, submitted without leaving the page; and their keys. */

/** @import {State} from "../../../types/protocol" */

import { byId, setText } from "./dom.js";
import { isCounting, isUnderWay } from "./room.js";
import { holds, leadMs, number } from "./written.js";

/** How long Cancel waits for the second press that confirms it. */
const ARMED_MS = 3000;
/** A double click is one press. */
const DOUBLE_CLICK_MS = 500;
/** So long after a press whose outcome is unknown, another one still means the same. */
const AGAIN_MS = 10_000;
/** The arrow keys, and whether they mean more time or less. */
export const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * @param {string} room
 * @param {() => number} time the server's time
 * @param {() => State} state what is known of the room
 * @param {() => void} toggleFull
 */
export function controls(room, time, state, toggleFull) {
  const base = `${document.documentElement.dataset.base}/api/rooms/${room}`;

  const starts = repeatable((form) => {
    const body = startBody(form, time());
    if (typeof body === "string") return body;
    return { method: "POST", address: `${base}/countdown`, body: { ...body, run: newId() } };
  });
  onSubmit("start", "start-words", starts);
  const messages = repeatable((form) => ({
    method: "POST",
    address: `${base}/messages`,
    body: { text: field(form, "text"), id: newId() },
    onSuccess: () => form.reset(),
  }));
  onSubmit("send", "message-words", messages);

  const changes = eachPress((action, value) => {
    const body = { run: state().run, id: newId() };
    const more = action === "adjust" ? { seconds: Number(value) } : {};
    return { method: "POST", address: `${base}/countdown/${action}`, body: { ...body, ...more } };
  });
  onSubmit("change", "change-words", changes);
  const recycles = repeatable((form) => {
    const to = field(form, "to");
    const body = { run: state().run, id: newId(), to: number(to) ?? to };
    return { method: "POST", address: `${base}/countdown/recycle`, body, onSuccess: () => form.reset() };
  });
  onSubmit("recycle", "change-words", recycles);

  const isConfirmed = confirmation(byId("cancel-button"));
  onSubmit("cancel", "cancel-words", () => {
    const { run } = state();
    if (!isConfirmed(run)) return null;
    const query = run ? `?run=${encodeURIComponent(run)}` : "";
    return { method: "DELETE", address: `${base}/countdown${query}`, body: null };
  });

  addEventListener("keydown", (event) => {
    const isIn = (/** @type {string} */ parts) => event.target instanceof Element && event.target.closest(parts);
    if (isForBrowser(event)) return;
    // Without controls only full screen is left, and the other keys scroll.
    if (!byId("start") && event.key !== "f" && event.key !== "F") return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const isHeld = state().status === "held";
    if (event.key === "Escape" && isCounting(state())) press("#cancel");
    else if (isIn("input")) return;
    else if (event.key === " " && !isIn("button, summary, a")) {
      event.preventDefault();
      if (isHeld) press("#resume");
      else if (!isUnderWay(state())) press("#start");
    } else if (event.key === "f" || event.key === "F") toggleFull();
    else if (!isUnderWay(state())) return;
    else if (event.key === "h" || event.key === "H") press(isHeld ? "#resume" : "#hold");
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      press(`#change [value="${ARROWS[event.key] * (event.shiftKey ? 60 : 10)}"]`);
    }
  });
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
 * @typedef {{
 *   method: string,
 *   address: string,
 *   body: object | null,
 *   onSuccess?: () => void,
 *   onAnswer?: (status: number) => void,
 * }} ApiRequest `onAnswer` is told 504 if there was none
 */
/**
 * The same request, with the same id, for a form that is submitted again before its outcome is known, or
 * by a double click; a new one otherwise.
 * @param {(form: HTMLFormElement) => ApiRequest | string} toRequest
 * @returns {(form: HTMLFormElement) => ApiRequest | string}
 */
export function repeatable(toRequest) {
  /** @type {{fields: string, request: ApiRequest} | null} */
  let asked = null;
  return (form) => {
    const fields = JSON.stringify([...new FormData(form)]);
    if (asked?.fields === fields) return asked.request;
    const request = toRequest(form);
    if (typeof request === "string") return request;
    const made = (asked = { fields, request });
    const forget = () => {
      if (asked === made) asked = null;
    };
    setTimeout(forget, AGAIN_MS);
    request.onAnswer = (status) => {
      if (status < 500) setTimeout(forget, status < 400 ? DOUBLE_CLICK_MS : 0);
    };
    return request;
  };
}

/**
 * A request for each press of a button, named by the last part of its address: two presses of +10 s are
 * twenty seconds. After one whose outcome is unknown it is the same again, with the same id. A double
 * click on Hold must not press Resume, which takes its place.
 * @param {(action: string, value: string) => ApiRequest} toRequest
 * @returns {(form: HTMLFormElement, button: HTMLButtonElement) => ApiRequest | null}
 */
export function eachPress(toRequest) {
  /** @type {Map<string, ApiRequest>} */
  const lost = new Map();
  let isDouble = false;
  return (_, { formAction, value }) => {
    const action = formAction.slice(formAction.lastIndexOf("/") + 1);
    if (action !== "adjust") {
      if (isDouble) return null;
      isDouble = true;
      setTimeout(() => (isDouble = false), DOUBLE_CLICK_MS);
    }
    const key = action + value;
    const request = lost.get(key) ?? toRequest(action, value);
    lost.delete(key);
    request.onAnswer = (status) => {
      if (status < 500) return;
      lost.set(key, request);
      setTimeout(() => lost.get(key) === request && lost.delete(key), AGAIN_MS);
    };
    return request;
  };
}

/** An id for a run, a change or a message. `crypto.randomUUID` exists on pages over HTTPS only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Submit a form to the API, and show beside it what went wrong.
 * @param {string} id
 * @param {string} words the id of the element for that
 * @param {(form: HTMLFormElement, button: HTMLButtonElement) => ApiRequest | string | null} toRequest the
 * request, or what is wrong with the form, or null for neither
 */
function onSubmit(id, words, toRequest) {
  const form = byId(id);
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const request = toRequest(form, /** @type {HTMLButtonElement} */ (event.submitter));
    if (request === null) return;
    setText(words, "");
    setText(words, typeof request === "string" ? request : await send(request, field(form, "link")));
  });
}

/** What went wrong, in words; empty if nothing did.
 * @param {ApiRequest} request @param {string} link the one that gives the right, if one does */
export async function send({ method, address, body, onSuccess, onAnswer }, link) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json" };
  if (link) headers.Authorization = `Bearer ${link}`;
  try {
    const response = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
    onAnswer?.(response.status);
    if (response.ok) {
      onSuccess?.();
      return "";
    }
    return (await response.json()).detail ?? `It was refused (${response.status}).`;
  } catch {
    onAnswer?.(504);
    return "The server can't be reached.";
  }
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

/** The moment at which a clock in the browser's time zone shows `clock` on that date: of two, the one that is
 * still to come; NaN if there is none.
 * @param {string} date as yyyy-mm-dd @param {string} clock as hh:mm or hh:mm:ss @param {number} time */
export function onDate(date, clock, time) {
  // Without a zone it is the browser's.
  const moments = showing(clock, new Date(`${date}T${clock}`));
  return moments.find((moment) => moment > time) ?? moments[0] ?? NaN;
}

/** The next moment at which a clock in the browser's time zone shows `clock`, by the server's time.
 * @param {string} clock as hh:mm or hh:mm:ss @param {number} time */
export function nextTime(clock, time) {
  const [hours, minutes, seconds = 0] = clock.split(":").map(Number);
  const moments = [0, 1, 2].flatMap((days) => {
    const moment = new Date(time);
    moment.setDate(moment.getDate() + days);
    moment.setHours(hours, minutes, seconds, 0);
    return showing(clock, moment);
  });
  return moments.filter((moment) => moment > time).sort((a, b) => a - b)[0];
}

/** From `first` on, the moments at which clocks show `clock`: when summer time ends, they show an hour twice, up
 * to an hour apart; when it begins, one never. @param {string} clock @param {Date} first */
function showing(clock, first) {
  const [hours, minutes] = clock.split(":").map(Number);
  return [0, 30, 60]
    .map((later) => first.getTime() + later * 60_000)
    .filter((moment) => {
      const date = new Date(moment);
      return date.getHours() === hours && date.getMinutes() === minutes;
    });
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
