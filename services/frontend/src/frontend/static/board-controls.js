/** The forms of the cards, submitted without leaving the board, and the keys for the card that has the
 * focus. */

/** @import {State} from "../../../types/protocol" */
/** @import {ApiRequest} from "./api-requests.js" */

import { eachPress, newId, repeatable, send } from "./api-requests.js";
import { ARROWS, confirmation, field, isForBrowser, press } from "./controls.js";
import { setTextOf } from "./dom.js";
import { isCounting, isUnderWay } from "./room.js";
import { number } from "./written.js";

/** How far the keys up and down go among the cards. */
const STEPS = { ArrowUp: -1, ArrowDown: 1 };

/**
 * @param {HTMLElement} card
 * @param {() => State} state what is known of its room
 */
export function cardControls(card, state) {
  const base = `${document.documentElement.dataset.base}/api/rooms/${card.dataset.room}/countdown`;

  const starts = repeatable((form) => {
    const from = field(form, "from");
    // The server says what is wrong with another text.
    return { method: "POST", address: base, body: { run: newId(), ...(from && { from: number(from) ?? from }) } };
  });
  onSubmit(card, ".start", starts);

  const changes = eachPress((action, value) => {
    const body = { run: state().run, id: newId() };
    const more = action === "adjust" ? { seconds: Number(value) } : {};
    return { method: "POST", address: `${base}/${action}`, body: { ...body, ...more } };
  });
  onSubmit(card, ".change", changes);

  const isConfirmed = confirmation(card.querySelector(".cancel-button"));
  onSubmit(card, ".cancel", () => {
    const { run } = state();
    if (!isConfirmed(run)) return null;
    const query = run ? `?run=${encodeURIComponent(run)}` : "";
    return { method: "DELETE", address: `${base}${query}`, body: null };
  });
}

/**
 * The keys: space starts or resumes, H holds or resumes, the arrows left and right adjust, those up and
 * down go to another card, Escape cancels if it is pressed twice, F is full screen.
 * @param {HTMLElement[]} cards
 * @param {(card: HTMLElement) => State} stateOf
 * @param {() => void} toggleFull
 */
export function boardKeys(cards, stateOf, toggleFull) {
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (!(target instanceof Element) || isForBrowser(event)) return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const isIn = (/** @type {string} */ parts) => target.closest(parts) !== null;
    const card = cards.find((one) => one.contains(target));
    if (key === "Escape" && card && isCounting(stateOf(card))) return press(".cancel", card);
    if (isIn("input")) return;
    if (key === "f" || key === "F") return toggleFull();
    if (key === "ArrowUp" || key === "ArrowDown") {
      const next = card ? cards[cards.indexOf(card) + STEPS[key]] : cards[0];
      if (next) event.preventDefault();
      return next?.focus();
    }
    // Without controls these keys scroll.
    if (!card?.querySelector("form")) return;
    const isHeld = stateOf(card).status === "held";
    if (key === " " && !isIn("button, summary, a")) {
      event.preventDefault();
      if (isHeld) press(".resume", card);
      else if (!isUnderWay(stateOf(card))) press(".start", card);
    } else if (!isUnderWay(stateOf(card))) return;
    else if (key === "h" || key === "H") press(isHeld ? ".resume" : ".hold", card);
    else if (key === "ArrowLeft" || key === "ArrowRight") {
      event.preventDefault();
      press(`.change [value="${ARROWS[key] * (event.shiftKey ? 60 : 10)}"]`, card);
    }
  });
}

/**
 * Submit a card's form to the API, and show in the card what went wrong.
 * @param {HTMLElement} card @param {string} selector the form's
 * @param {(form: HTMLFormElement, button: HTMLButtonElement) => ApiRequest | string | null} toRequest
 */
function onSubmit(card, selector, toRequest) {
  const form = card.querySelector(selector);
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const request = toRequest(form, /** @type {HTMLButtonElement} */ (event.submitter));
    if (request === null) return;
    const words = card.querySelector(".words");
    setTextOf(words, "");
    setTextOf(words, typeof request === "string" ? request : await send(request, card.dataset.link ?? ""));
  });
}
