/** The life of a page: it begins, sleeps, wakes, is left, and may come back from the browser's cache. */

/** @import {Connection} from "./connection.js" */
/** @import {ServerClock} from "./server-clock.js" */

import { byId } from "./dom.js";
import { env, learnSteps } from "./environment.js";

const CHECK_EVERY_MS = 1000;

/**
 * Take over from the page as it was rendered, and connect.
 * @param {Connection} connection
 * @param {ServerClock} clock
 * @param {number} renderedAt when, by the server's clock
 * @param {() => void} draw
 * @param {() => void} updateStatus
 */
export function live(connection, clock, renderedAt, draw, updateStatus) {
  /** The page is visible again or the network is back: draw what is right at once, then measure. */
  const wake = () => {
    learnSteps();
    clock.check();
    draw();
    if (connection.phase === "open") clock.burst();
    connection.wake();
    updateStatus();
  };
  byId("now")?.addEventListener("click", () => connection.connect());
  addEventListener("online", wake);
  addEventListener("offline", updateStatus);
  addEventListener("pageshow", (event) => event.persisted && connection.connect());
  // Browsers keep no page with an open socket in their back-forward cache.
  addEventListener("pagehide", () => connection.close());
  document.addEventListener("visibilitychange", () => (env.isHidden() ? clock.ask() : wake()));

  learnSteps();
  document.documentElement.dataset.live = "";
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  // A page from a cache carries an old time.
  if (navigation && navigation.type !== "back_forward" && navigation.transferSize > 0) {
    clock.seed({ sent: navigation.requestStart, received: navigation.responseEnd, server: renderedAt });
    draw();
  }
  connection.connect();
  setInterval(() => clock.check(), CHECK_EVERY_MS);
}
