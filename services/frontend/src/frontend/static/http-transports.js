/** What stands in for a WebSocket where there is none: an event stream, or asking for the state. */

/** @import {RoomReply} from "../../../types/protocol" */

/** How often the state is asked for. */
const POLL_MS = 1000;
/** How long a request that failed waits until it is repeated. */
const AGAIN_MS = 1000;
const TIMEOUT_MS = 5000;
/** After so many requests in a row without an answer the connection is lost. */
const MOST_FAILURES = 3;
/** An event stream that was silent for so long is lost: a coordinator sends a comment every twenty seconds. */
export const SILENCE_MS = 25_000;

/** @typedef {{
 *   fetch: (address: string, init: RequestInit) => Promise<Response>,
 *   setTimer: (run: () => void, ms: number) => number,
 *   clearTimer: (timer: number) => void,
 * }} Http a test brings its own
 */

/** The part of a WebSocket that a connection uses. It answers pings with the frontend's time. */
class HttpTransport {
  readyState = 0;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number, reason: string}) => void) | null} */
  onclose = null;
  /** @protected */
  http;
  /** @protected */
  aborting = new AbortController();

  /** @param {Http} http */
  constructor(http) {
    this.http = http;
  }

  /** @param {string} text a ping */
  send(text) {
    this.#answer(JSON.parse(text).id);
  }

  close() {
    this.readyState = 3;
    this.onmessage = this.onclose = null;
    this.aborting.abort();
  }

  /** @protected @param {string} data a frame as JSON */
  emit(data) {
    if (this.readyState === 1) this.onmessage?.({ data });
  }

  /** The connection is lost. @protected @param {string} reason */
  end(reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.aborting.abort();
    this.onclose?.({ code: 1006, reason });
  }

  /** The JSON at an address of the page's own origin; null if there is none.
   * @protected @param {string} address */
  async json(address) {
    const giveUp = new AbortController();
    const timer = this.http.setTimer(() => giveUp.abort(), TIMEOUT_MS);
    try {
      const response = await this.http.fetch(address, { cache: "no-store", signal: giveUp.signal });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    } finally {
      this.http.clearTimer(timer);
    }
  }

  /** @param {number} id */
  async #answer(id) {
    const time = await this.json("/api/time");
    if (time !== null) this.emit(JSON.stringify({ type: "pong", id, server_time: time.server_time }));
    else if (this.readyState === 1) this.http.setTimer(() => this.#answer(id), AGAIN_MS);
  }
}

/** Server-Sent Events, read by `fetch`: an `EventSource` that meets one 503 never tries again. */
export class EventStream extends HttpTransport {
  /** Called whenever anything comes, if only a comment. @type {(() => void) | null} */
  onbytes = null;
  #timer = 0;

  /** @param {Http} http @param {string} address */
  constructor(http, address) {
    super(http);
    this.#open(address);
  }

  /** @param {string} address */
  async #open(address) {
    let reason = "";
    try {
      const { signal } = this.aborting;
      const response = await this.http.fetch(address, { cache: "no-store", signal });
      const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
      if (response.ok && isStream && response.body) await this.#read(response.body.getReader());
      else reason = response.status === 503 ? "the coordinator is full" : `refused (${response.status})`;
    } catch {
      // The network failed, or this was closed.
    }
    this.http.clearTimer(this.#timer);
    this.end(reason);
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
  async #read(reader) {
    this.readyState = 1;
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      this.http.clearTimer(this.#timer);
      this.#timer = this.http.setTimer(() => this.end("silence"), SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return;
      this.onbytes?.();
      const events = (text + decoder.decode(value, { stream: true })).split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "));
        // Not within this promise: what is wrong in the page is no failure of the network.
        if (data) queueMicrotask(() => this.emit(data.slice(6)));
      }
    }
  }
}

/** The state of the rooms, asked of the JSON API. It has no messages. */
export class Polling extends HttpTransport {
  #rooms;
  #failures = 0;
  /** What each room's reply said last. @type {Map<string, string>} */
  #before = new Map();

  /** @param {Http} http @param {string[]} rooms */
  constructor(http, rooms) {
    super(http);
    this.#rooms = rooms;
    this.#open();
  }

  async #open() {
    const [replies, time] = await Promise.all([this.#ask(), this.json("/api/time")]);
    if (this.readyState === 3) return;
    if (replies === null || time === null) return this.end("");
    this.readyState = 1;
    const { server_time } = time;
    const hello = { type: "hello", protocol: 1, replayed: 0, complete: true, instance: "frontend", server_time };
    this.#emitChanged(replies, hello);
    this.#askLater();
  }

  #askLater() {
    this.http.setTimer(async () => {
      if (this.readyState !== 1) return;
      const replies = await this.#ask();
      this.#failures = replies === null ? this.#failures + 1 : 0;
      if (this.#failures >= MOST_FAILURES) return this.end("no answer");
      this.#emitChanged(replies ?? [], { type: "room" });
      this.#askLater();
    }, POLL_MS);
  }

  /** @param {RoomReply[]} replies @param {object} frame what the frames have besides the reply */
  #emitChanged(replies, frame) {
    for (const reply of replies) {
      const now = fingerprint(reply);
      if (this.#before.get(reply.room) === now) continue;
      this.#before.set(reply.room, now);
      this.emit(JSON.stringify({ ...frame, ...reply }));
    }
  }

  /** @returns {Promise<RoomReply[] | null>} */
  async #ask() {
    if (this.#rooms.length > 1) return (await this.json(`/api/rooms?names=${this.#rooms}`))?.rooms ?? null;
    const reply = await this.json(`/api/rooms/${this.#rooms[0]}`);
    return reply && [reply];
  }
}

/** @param {RoomReply} reply */
function fingerprint({ epoch, seq, viewers, state }) {
  return JSON.stringify([epoch, seq, viewers, state]);
}
