/** What the page's script has of its browser: the clocks, the timers, and ways to a coordinator. */

/** @import {Transport} from "./retry.js" */

import { EventStream, Polling } from "./http-transports.js";
import { SteppedClock } from "./stepped-clock.js";

const pageClock = new SteppedClock(() => performance.now());
const wallClock = new SteppedClock(() => Date.now());

export const env = {
  now: () => pageClock.now(),
  wall: () => wallClock.now(),
  step: () => pageClock.step,
  wallStep: () => wallClock.step,
  setTimer: (/** @type {() => void} */ run, /** @type {number} */ ms) => setTimeout(run, ms),
  clearTimer: (/** @type {number} */ timer) => clearTimeout(timer),
  isHidden: () => document.visibilityState === "hidden",
  random: Math.random,
};

/** Learn the steps in which the clocks move. */
export function learnSteps() {
  for (const one of [pageClock, wallClock]) one.learn(env.setTimer);
}

/** The addresses of the coordinators' sockets, tried in turn.
 * @param {{hosts: string[], path: string}} data @param {string} query */
export function socketAddresses({ hosts, path }, query) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return (hosts.length ? hosts : [location.host]).map((host) => `${scheme}://${host}${path}?${query}`);
}

/** The versions of the protocol that this page speaks. */
const SUBPROTOCOLS = ["v2.tminus", "v1.tminus"];

/** What a connection to these rooms is made of. @param {string[]} rooms */
export function network(rooms) {
  const { base } = document.documentElement.dataset;
  /** @param {string} to @param {RequestInit} init */
  const get = (to, init) => fetch(to.startsWith("/") ? `${base}${to}` : to, init);
  const http = { ...env, fetch: get };
  /** @param {Transport} transport @param {string} address a WebSocket's */
  const open = (transport, address) => {
    if (transport === "WebSocket") return new WebSocket(address, SUBPROTOCOLS);
    if (transport === "polling") return new Polling(http, rooms);
    return new EventStream(http, address.replace(/^ws/, "http").replace("/ws/connect?", "/sse/connect?"));
  };
  return { ...env, open, isReachable };
}

/** @param {string} address a socket's */
function isReachable(address) {
  // From another origin a page learns only that there was an answer, and that is enough.
  const request = { mode: /** @type {const} */ ("no-cors"), signal: AbortSignal.timeout?.(2000) };
  return fetch(address.replace(/^ws/, "http"), request).then(
    (response) => response.type === "opaque" || (response.status >= 400 && response.status < 500),
    () => false,
  );
}
