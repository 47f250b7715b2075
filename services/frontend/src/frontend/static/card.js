/** One room on the board: draws what is to be shown of it in its card. */

/** @import {RoomReply} from "../../../types/protocol" */
/** @import {Shown} from "./countdown.js" */

import { announced, caption, numberText, sizeOf, toZeroText } from "./display.js";
import { setTextOf } from "./dom.js";

const SIGNAL_MS = 3000;

export class Card {
  element;
  /** Whether a tick that should be here is late: the number is an estimate. */
  isLate = false;
  #digits;
  #says;
  #planned;
  #left;
  #timer = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.#digits = /** @type {HTMLElement} */ (element.querySelector(".digits"));
    this.#says = /** @type {HTMLElement} */ (element.querySelector(".says"));
    this.#planned = element.querySelector(".planned");
    this.#left = /** @type {HTMLProgressElement} */ (element.querySelector(".left"));
  }

  /** The number comes first: of all cards that change at once, before anything else of one.
   * @param {Shown} shown @param {boolean} isClock */
  drawNumber(shown, isClock) {
    const digits = numberText(shown, isClock);
    if (this.#digits.textContent === digits) return;
    this.#digits.textContent = digits;
    this.#digits.dataset.size = sizeOf(digits);
  }

  /** Everything but the number; gives what screen readers are to read out, empty if nothing.
   * @param {Shown} shown */
  draw(shown) {
    const { dataset } = this.element;
    const before = dataset.status;
    if (before !== shown.status) dataset.status = shown.status;
    if (dataset.phase !== shown.phase) dataset.phase = shown.phase;
    setTextOf(this.#says, caption(shown));
    setTextOf(this.#planned, toZeroText(shown));
    if (this.#left.value !== shown.left) this.#left.value = shown.left;
    if (shown.isFinale) this.#signal();
    return announced(shown, before, this.#digits.textContent ?? "");
  }

  /** @param {boolean} isLate */
  setLate(isLate) {
    this.isLate = isLate;
    this.element.toggleAttribute("data-late", isLate);
  }

  /** @param {number} count */
  setViewers(count) {
    setTextOf(this.element.querySelector(".watching"), `${count}`);
  }

  /** @param {RoomReply["screens"]} screens */
  setScreens({ in_step, reporting }) {
    const words = reporting ? `${in_step} of ${reporting} in step` : "no screens";
    setTextOf(this.element.querySelector(".screens"), words);
    this.element.toggleAttribute("data-apart", in_step < reporting);
  }

  /** Zero has come. */
  #signal() {
    this.element.dataset.finale = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => delete this.element.dataset.finale, SIGNAL_MS);
  }
}
