/** The screen itself: awake while a run is on, full by the key F, quiet when nobody moves. */

const REST_MS = 3000;

export class Screen {
  #root = document.documentElement;
  #isCounting = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #timer = 0;

  constructor() {
    for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"])
      addEventListener(kind, () => this.#stir(), { passive: true });
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  /** @param {boolean} isCounting whether a run is under way */
  counting(isCounting) {
    if (isCounting === this.#isCounting) return;
    this.#isCounting = isCounting;
    this.#stir();
    this.#wake();
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#root.requestFullscreen?.();
  }

  #stir() {
    clearTimeout(this.#timer);
    this.#root.removeAttribute("data-resting");
    if (this.#isCounting) this.#timer = setTimeout(() => this.#root.setAttribute("data-resting", ""), REST_MS);
  }

  async #wake() {
    if (!this.#isCounting) {
      this.#lock?.release();
      this.#lock = null;
    } else if (document.visibilityState === "visible" && (this.#lock === null || this.#lock.released)) {
      // It is refused on a low battery, for one; the countdown goes on without.
      this.#lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    }
  }
}
