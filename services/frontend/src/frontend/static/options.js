/** The options and details: the link, the clock format, the sound, and how many screens are in step. */

/** @import {Finale} from "./finale.js" */

import { byId, setText } from "./dom.js";
import { agreement } from "./status.js";

const REFRESH_MS = 2000;

/** @param {string} room @param {Finale} finale @param {() => void} draw @param {() => void} toggleFull */
export function options(room, finale, draw, toggleFull) {
  const root = document.documentElement;

  byId("copy")?.addEventListener("click", async () => {
    const link = `${location.origin}${root.dataset.base}/r/${room}`;
    const isCopied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    setText("copy", isCopied ? "Copied" : link);
  });

  const clock = byId("clock");
  if (clock instanceof HTMLInputElement) {
    clock.checked = root.dataset.format === "clock";
    clock.addEventListener("change", () => {
      root.dataset.format = clock.checked ? "clock" : "number";
      const address = new URL(location.href);
      if (clock.checked) address.searchParams.set("format", "clock");
      else address.searchParams.delete("format");
      history.replaceState(null, "", address);
      draw();
    });
  }

  byId("full")?.addEventListener("click", toggleFull);

  const sound = byId("sound");
  if (sound instanceof HTMLInputElement) {
    sound.checked = false;
    sound.addEventListener("change", () => finale.setSound(sound.checked));
  }

  const details = byId("details");
  const refresh = async () => {
    if (!(details instanceof HTMLDetailsElement) || !details.open) return;
    try {
      const response = await fetch(`${root.dataset.base}/api/rooms/${room}`);
      if (response.ok) setText("screens", agreement(await response.json()));
    } catch {
      setText("screens", "not known at the moment");
    }
  };
  details?.addEventListener("toggle", refresh);
  setInterval(refresh, REFRESH_MS);
}
