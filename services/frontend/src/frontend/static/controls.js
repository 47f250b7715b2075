/** The forms, answered in place: start, cancel, send; and the keys that do the same. */

import { byId, setText } from "./dom.js";

const ARMED_MS = 3000;
/** A double click is one decision. */
const DOUBLE_MS = 500;
const DAY_MS = 24 * 60 * 60_000;

/**
 * @param {string} room
 * @param {() => number} time the server's
 * @param {() => boolean} isCounting
 * @param {() => void} toggleFull
 */
export function controls(room, time, isCounting, toggleFull) {
  const base = `/api/rooms/${room}`;

  answer("start", "start-words", (form) => {
    const body = terms(form, time());
    return typeof body === "string" ? body : { method: "POST", address: `${base}/countdown`, body };
  });
  answer("send", "message-words", (form) => ({
    method: "POST",
    address: `${base}/messages`,
    body: { text: field(form, "text") },
    done: () => form.reset(),
  }));

  const isSure = confirming();
  answer("cancel", "cancel-words", () =>
    isSure() ? { method: "DELETE", address: `${base}/countdown`, body: null } : null,
  );

  addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input, button, summary, a");
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && isCounting()) press("cancel");
    else if (isTyping) return;
    else if (event.key === " ") {
      event.preventDefault();
      if (!isCounting()) press("start");
    } else if (event.key === "f" || event.key === "F") toggleFull();
  });
}

/** @param {string} id */
function press(id) {
  const form = byId(id);
  if (form instanceof HTMLFormElement) form.requestSubmit();
}

/**
 * @typedef {{method: string, address: string, body: object | null, done?: () => void}} Asking
 * @param {string} id
 * @param {string} words
 * @param {(form: HTMLFormElement) => Asking | string | null} asking what is asked, or what is wrong
 */
function answer(id, words, asking) {
  const form = byId(id);
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = asking(form);
    if (asked === null) return;
    setText(words, "");
    setText(words, typeof asked === "string" ? asked : await ask(asked, field(form, "token")));
  });
}

/** What went wrong, in words; nothing where all is well.
 * @param {Asking} asking @param {string} token */
async function ask({ method, address, body, done }, token) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const response = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
    if (response.ok) {
      done?.();
      return "";
    }
    return (await response.json()).detail ?? `It was refused (${response.status}).`;
  } catch {
    return "The server can't be reached.";
  }
}

/** What a start form asks for; the server says what is wrong with it, but for what only we know of.
 * @param {HTMLFormElement} form @param {number} time */
function terms(form, time) {
  /** @type {Record<string, number | string>} */
  const body = {};
  for (const name of ["from", "interval_ms"]) if (field(form, name)) body[name] = number(field(form, name));
  const ms = lead(field(form, "minutes"));
  if (Number.isNaN(ms)) return "minutes: should be minutes from now, 1,440 at most.";
  if (ms > 0) body.starts_at = Math.round(time + ms);
  const clock = field(form, "at");
  if (clock) body.starts_at = next(clock, time);
  return body;
}

/** How far ahead `minutes` is in ms, with a point or a comma in it; NaN where it can't be.
 * @param {string} minutes */
export function lead(minutes) {
  const ms = Number(minutes.replace(",", ".")) * 60_000;
  return ms >= 0 && ms <= DAY_MS ? ms : NaN;
}

/** The next moment at which clocks here show `clock`, by the server's time.
 * @param {string} clock as hh:mm or hh:mm:ss @param {number} time */
export function next(clock, time) {
  const [hours, minutes, seconds = 0] = clock.split(":").map(Number);
  const moment = new Date(time);
  moment.setHours(hours, minutes, seconds, 0);
  if (moment.getTime() <= time) moment.setDate(moment.getDate() + 1);
  return moment.getTime();
}

/** @param {HTMLFormElement} form @param {string} name */
function field(form, name) {
  return `${new FormData(form).get(name) ?? ""}`.trim();
}

/** @param {string} text */
function number(text) {
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/** The second press within a few seconds is the one that counts. */
function confirming() {
  const button = byId("cancel")?.querySelector("button");
  const label = button?.textContent ?? "";
  let armedAt = -Infinity;
  let timer = 0;
  const disarm = () => {
    armedAt = -Infinity;
    clearTimeout(timer);
    button?.removeAttribute("data-armed");
    if (button) button.textContent = label;
  };
  return () => {
    const since = performance.now() - armedAt;
    if (since < DOUBLE_MS) return false;
    disarm();
    if (since < ARMED_MS) return true;
    armedAt = performance.now();
    button?.setAttribute("data-armed", "");
    if (button) button.textContent = "Press again to cancel";
    timer = setTimeout(disarm, ARMED_MS);
    return false;
  };
}
