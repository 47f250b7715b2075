/** The forms of the cards, submitted without leaving the board, and the keys for the card that has the
 * focus. */

/** @import {State} from "../../../types/protocol" */
/** @import {ToRequest} from "./controls.js" */

import { newId, repeatable } from "./api-requests.js";
import { cancels, changes, field, isForBrowser, isIn, onRunKey, onSubmit, press } from "./controls.js";
import { isCounting } from "./room.js";
import { number } from "./written.js";

/** How far the keys up and down go among the cards. */
const STEPS = { ArrowUp: -1, ArrowDown: 1 };

/**
 * @param {HTMLElement} card
 * @param {() => State} state what is known of its room
 */
export function cardControls(card, state) {
  const countdown = `${document.documentElement.dataset.base}/api/rooms/${card.dataset.room}/countdown`;
  /** @param {string} selector the form's @param {ToRequest} toRequest */
  const submit = (selector, toRequest) =>
    onSubmit(card.querySelector(selector), card.querySelector(".words"), () => card.dataset.link ?? "", toRequest);

  const starts = repeatable((form) => {
    const from = field(form, "from");
    // The server says what is wrong with another text.
    return { method: "POST", address: countdown, body: { run: newId(), ...(from && { from: number(from) ?? from }) } };
  });
  submit(".start", starts);
  submit(".change", changes(countdown, state));
  submit(".cancel", cancels(countdown, state, card.querySelector(".cancel-button")));
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
    const card = cards.find((one) => one.contains(target));
    if (key === "Escape" && card && isCounting(stateOf(card))) return press(".cancel", card);
    if (isIn(event, "input")) return;
    if (key === "f" || key === "F") return toggleFull();
    if (key === "ArrowUp" || key === "ArrowDown") {
      const next = card ? cards[cards.indexOf(card) + STEPS[key]] : cards[0];
      if (next) event.preventDefault();
      return next?.focus();
    }
    // Without controls these keys scroll.
    if (!card?.querySelector("form")) return;
    onRunKey(event, stateOf(card), (part) => press(`.${part}`, card));
  });
}
