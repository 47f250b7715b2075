/** What follows a connection that was lost, or did not come: when the next attempt begins, and over which
 * transport. Pure. */

/** From the best to the least. @typedef {"WebSocket" | "SSE" | "polling"} Transport */

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 15_000;

/** How long to wait before the next attempt: a random part of a limit, since many pages may have lost
 * their connection at once. The limit doubles with each round of the addresses; within a round the
 * next address is tried soon.
 * @param {number} failures @param {number} addresses @param {() => number} random */
export function backoff(failures, addresses, random) {
  const rounds = failures % addresses === 0 ? failures / addresses : 1;
  return random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.max(0, rounds - 1));
}

/** What to try after so many attempts in a row that brought no connection: WebSockets twice at least, then
 * event streams, each at every address, then polling, and so on from the first.
 * @param {number} tries @param {number} addresses @param {number} streams how many of them have event streams
 * @returns {Transport} */
export function transportOf(tries, addresses, streams = addresses) {
  const sockets = socketTries(addresses);
  const turn = tries % (sockets + streams + 1);
  if (turn < sockets) return "WebSocket";
  return turn < sockets + streams ? "SSE" : "polling";
}

/** How often WebSockets are tried first. @param {number} addresses */
export function socketTries(addresses) {
  return Math.max(2, addresses);
}
