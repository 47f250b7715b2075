/** The messages of a room: newest first, not too many, gone when cleared; large during a run. */

/** @import {MessageFrame} from "../../../types/protocol" */

import { byId } from "./dom.js";
import { load, save } from "./storage.js";

const MOST = 100;
const SHOUT_MS = 6000;

/** @param {string} room */
export function messages(room) {
  const list = byId("messages");
  const clear = byId("clear");
  const key = `cleared:${room}`;
  let last = "";

  clear?.addEventListener("click", () => {
    list?.replaceChildren();
    if (clear) clear.hidden = true;
    save(key, last);
  });

  return {
    /** Whether this one was cleared away before. @param {string} epoch @param {number} seq */
    isCleared(epoch, seq) {
      const [clearedEpoch, clearedSeq] = load(key).split(" ");
      return clearedEpoch === epoch && seq <= Number(clearedSeq);
    },

    /** @param {string} epoch @param {MessageFrame} message */
    add(epoch, { seq, at, text }) {
      last = `${epoch} ${seq}`;
      if (!list || !clear) return;
      const time = document.createElement("time");
      time.dateTime = new Date(at).toISOString();
      time.textContent = new Date(at).toLocaleTimeString();
      const words = document.createElement("span");
      words.textContent = text;
      const item = document.createElement("li");
      item.append(time, words);
      list.prepend(item);
      while (list.children.length > MOST) list.lastElementChild?.remove();
      clear.hidden = false;
    },
  };
}

/** Shows one text over the stage for a few seconds, as large as it fits. */
export function shouting() {
  const stage = byId("stage");
  const shout = byId("shout");
  let timer = 0;

  const fit = () => {
    if (!stage || !shout || shout.hidden) return;
    let [small, large] = [12, Math.min(stage.clientHeight / 5, stage.clientWidth / 7)];
    while (large - small > 1) {
      const size = (small + large) / 2;
      shout.style.fontSize = `${size}px`;
      const fits = shout.scrollHeight <= shout.clientHeight + 1 && shout.scrollWidth <= shout.clientWidth + 1;
      if (fits) small = size;
      else large = size;
    }
    shout.style.fontSize = `${small}px`;
  };
  addEventListener("resize", fit);

  return (/** @type {string} */ text) => {
    if (!stage || !shout) return;
    shout.textContent = text;
    shout.hidden = false;
    stage.dataset.shout = "";
    fit();
    clearTimeout(timer);
    timer = setTimeout(() => {
      shout.hidden = true;
      delete stage.dataset.shout;
    }, SHOUT_MS);
  };
}
