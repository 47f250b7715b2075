/** The messages of a room: a list, newest first, and a banner during a run. */

/** @import {MessageFrame} from "../../../types/protocol" */

import { byId, setText } from "./dom.js";
import { load, save } from "./storage.js";

const MAX_MESSAGES = 100;
const BANNER_MS = 6000;

/** @param {string} room */
export function messageList(room) {
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
    /** Whether the user has cleared this message away. @param {string} epoch @param {number} seq */
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
      words.dir = "auto";
      const item = document.createElement("li");
      item.append(time, words);
      list.prepend(item);
      // A long one scrolls within its place, by the keyboard too.
      if (words.scrollHeight > words.clientHeight) words.tabIndex = 0;
      while (list.children.length > MAX_MESSAGES) list.lastElementChild?.remove();
      clear.hidden = false;
    },
  };
}

/** Shows a text beside the number for a few seconds, as large as it fits. */
export function messageBanner() {
  const stage = byId("stage");
  const banner = byId("banner");
  let timer = 0;

  const fit = () => {
    if (!stage || !banner || banner.hidden) return;
    let [small, large] = [12, Math.min(stage.clientHeight / 5, stage.clientWidth / 7)];
    while (large - small > 1) {
      const size = (small + large) / 2;
      banner.style.fontSize = `${size}px`;
      const fits = banner.scrollHeight <= banner.clientHeight + 1 && banner.scrollWidth <= banner.clientWidth + 1;
      if (fits) small = size;
      else large = size;
    }
    banner.style.fontSize = `${small}px`;
  };
  addEventListener("resize", fit);

  return (/** @type {string} */ text) => {
    if (!stage || !banner) return;
    banner.textContent = text;
    banner.hidden = false;
    stage.dataset.banner = "";
    fit();
    clearTimeout(timer);
    timer = setTimeout(() => {
      banner.hidden = true;
      delete stage.dataset.banner;
    }, BANNER_MS);
  };
}

/** Have screen readers read out a message. @param {string} text */
export function announceMessage(text) {
  // The same text twice is two messages.
  setText("message-announcer", "");
  setText("message-announcer", text);
}
