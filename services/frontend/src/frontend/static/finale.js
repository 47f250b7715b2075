/** The signal at zero, and a chime if the user has asked for it. */

/** @import {Shown} from "./countdown.js" */

const SIGNAL_MS = 3000;

export class Finale {
  /** @type {AudioContext | null} */
  #audio = null;
  #timer = 0;

  /** Browsers let a page make a sound only after a click of the user. @param {boolean} isWanted */
  setSound(isWanted) {
    this.#audio?.close();
    this.#audio = isWanted ? new AudioContext() : null;
  }

  /** @param {Shown} shown */
  draw(shown) {
    if (shown.isFinale) this.#play();
    else if ((shown.number ?? 0) > 0) this.#stop();
  }

  #play() {
    const root = document.documentElement;
    root.dataset.finale = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => delete root.dataset.finale, SIGNAL_MS);
    if (this.#audio) chime(this.#audio);
  }

  #stop() {
    clearTimeout(this.#timer);
    delete document.documentElement.dataset.finale;
  }
}

/** @param {AudioContext} audio */
function chime(audio) {
  const now = audio.currentTime;
  for (const [pitch, loudness] of [[523.25, 0.3], [783.99, 0.2], [1046.5, 0.12]]) {
    const tone = audio.createOscillator();
    const level = audio.createGain();
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(0, now);
    level.gain.linearRampToValueAtTime(loudness, now + 0.02);
    level.gain.exponentialRampToValueAtTime(0.0001, now + 2.5);
    tone.connect(level).connect(audio.destination);
    tone.start(now);
    tone.stop(now + 2.6);
  }
}
