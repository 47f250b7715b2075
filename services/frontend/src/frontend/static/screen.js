/** The screen: kept awake during a run, full by the key F, without controls if there is no input and the
 * run is not held. */

import { setText } from "./dom.js";

const IDLE_MS = 3000;

export class Screen {
  #root = document.documentElement;
  #isCounting = false;
  #isHeld = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #timer = 0;

  constructor() {
    for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"])
      addEventListener(kind, () => this.#onInput(), { passive: true });
    document.addEventListener("visibilitychange", () => this.#updateLock());
    if (!navigator.wakeLock)
      setText("awake", `not kept awake: ${isSecureContext ? "this browser can't" : "browsers do so only over HTTPS"}`);
  }

  /** @param {boolean} isCounting whether a run is under way, or counts on @param {boolean} isHeld */
  setRun(isCounting, isHeld) {
    if (isCounting === this.#isCounting && isHeld === this.#isHeld) return;
    this.#isCounting = isCounting;
    this.#isHeld = isHeld;
    this.#onInput();
    this.#updateLock();
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#root.requestFullscreen?.();
  }

  #onInput() {
    clearTimeout(this.#timer);
    this.#root.removeAttribute("data-resting");
    if (!this.#isCounting || this.#isHeld) return;
    this.#timer = setTimeout(() => this.#root.setAttribute("data-resting", ""), IDLE_MS);
  }

  async #updateLock() {
    if (!this.#isCounting) {
      this.#lock?.release();
      this.#lock = null;
    } else if (document.visibilityState === "visible" && (this.#lock === null || this.#lock.released)) {
      // Browsers refuse it on a low battery, for example.
      this.#lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
      if (navigator.wakeLock) setText("awake", this.#lock ? "kept awake" : "not kept awake: the browser refuses");
    }
  }
}
