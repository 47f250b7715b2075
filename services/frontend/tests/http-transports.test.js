import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { EventStream, Polling } from "../src/frontend/static/http-transports.js";
import { World } from "./world.js";

const IDLE = { status: "idle", run: null, from: null, interval_ms: null, starts_at: null, remaining: null };
const REPLY = { room: "main", epoch: "a", seq: 7, viewers: 2, screens: {}, state: IDLE };

/** A server that answers each path as the test says. */
async function served(answers) {
  const server = createServer((request, response) => answers[request.url](response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${server.address().port}`;
  const timers = new Set();
  after(() => timers.forEach(clearTimeout));
  return {
    base,
    http: {
      fetch: (path, options) => fetch(path.startsWith("/") ? base + path : path, options),
      // A second is a tenth of one here.
      setTimer: (run, ms) => {
        const timer = setTimeout(run, ms / 10);
        timers.add(timer);
        return timer;
      },
      clearTimer: clearTimeout,
    },
  };
}

/** What a transport says, one after another. */
function heard(transport) {
  const said = [];
  let wake = () => {};
  const say = (one) => {
    said.push(one);
    wake();
  };
  transport.onmessage = ({ data }) => say(JSON.parse(data));
  transport.onclose = ({ reason }) => say({ closed: reason });
  return async () => {
    const late = AbortSignal.timeout(10_000);
    while (said.length === 0) {
      late.throwIfAborted();
      await new Promise((resolve) => {
        wake = resolve;
        late.onabort = resolve;
      });
    }
    return said.shift();
  };
}

const json = (value) => (response) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
const refused = (response) => response.writeHead(503).end();

test("an event stream hands over its frames, however they are cut, and its end", async () => {
  const parts = ["retry: 1000\n", "event: hello\ndata: {\"type\":\"hel", "lo\"}\n\n:\n\nid: a:1\nevent: message\n",
    "data: {\"type\":\"message\",\"text\":\"d", "one\"}\n\n"];
  const { base, http } = await served({
    "/sse/connect?room=main": async (response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      for (const part of parts) await new Promise((resolve) => response.write(part, () => setTimeout(resolve, 5)));
      response.end();
    },
  });
  const next = heard(new EventStream(http, `${base}/sse/connect?room=main`));
  assert.deepEqual(await next(), { type: "hello" });
  assert.deepEqual(await next(), { type: "message", text: "done" });
  assert.deepEqual(await next(), { closed: "" });
});

/** An event stream that says hello, and then a comment each twenty seconds, so often. */
function idleStream(comments) {
  const world = new World();
  const encoder = new TextEncoder();
  let told = 0;
  const read = () => {
    const text = told === 0 ? 'data: {"type":"hello"}\n\n' : ":\n\n";
    const value = encoder.encode(text);
    if (told > comments) return new Promise(() => {});
    const ms = told++ === 0 ? 0 : 20_000;
    return new Promise((resolve) => world.env.setTimer(() => resolve({ done: false, value }), ms));
  };
  const headers = new Headers({ "Content-Type": "text/event-stream" });
  const fetch = async () => ({ ok: true, status: 200, headers, body: { getReader: () => ({ read }) } });
  const stream = new EventStream({ ...world.env, fetch }, "/sse");
  const heard = [];
  const closed = [];
  stream.onbytes = () => heard.push(Math.round(world.truth / 1000));
  stream.onclose = ({ reason }) => closed.push([Math.round(world.truth / 1000), reason]);
  const pass = async (seconds) => {
    for (let passed = 0; passed < seconds; passed += 1) {
      await new Promise(setImmediate);
      world.pass(1000);
    }
  };
  return { heard, closed, pass };
}

test("an idle event stream is kept by the coordinator's comments, and is lost 25 seconds after the last", async () => {
  const { heard, closed, pass } = idleStream(5);
  await pass(120);
  assert.equal(heard.length, 6);
  assert.deepEqual(closed, []);
  await pass(15);
  assert.equal(closed.length, 1);
  const [[at, reason]] = closed;
  assert.equal(reason, "silence");
  assert.ok(at - heard.at(-1) >= 25 && at - heard.at(-1) <= 26, `${at - heard.at(-1)} s`);
});

test("an event stream that is refused says so, and can be opened again", async () => {
  const { base, http } = await served({ "/sse": refused });
  assert.deepEqual(await heard(new EventStream(http, `${base}/sse`))(), { closed: "the coordinator is full" });
});

test("what is no event stream is none", async () => {
  const { base, http } = await served({ "/sse": json({}) });
  assert.deepEqual(await heard(new EventStream(http, `${base}/sse`))(), { closed: "refused (200)" });
});

test("polling greets with the state, tells of each change once, and answers pings", async () => {
  const replies = [REPLY, REPLY, { ...REPLY, seq: 8, state: { ...IDLE, status: "scheduled", run: "r" } }];
  const { http } = await served({
    "/api/time": json({ server_time: 1234.5 }),
    "/api/rooms/main": (response) => json(replies.length > 1 ? replies.shift() : replies[0])(response),
  });
  const polling = new Polling(http, ["main"]);
  const next = heard(polling);
  const hello = await next();
  assert.deepEqual([hello.type, hello.seq, hello.server_time, hello.viewers], ["hello", 7, 1234.5, 2]);
  const change = await next();
  assert.deepEqual([change.type, change.seq, change.state.status], ["room", 8, "scheduled"]);
  polling.send(JSON.stringify({ type: "ping", id: 3 }));
  assert.deepEqual(await next(), { type: "pong", id: 3, server_time: 1234.5 });
  polling.close();
});

test("a ping is asked again until it is answered", async () => {
  const times = [json({ server_time: 1 }), refused, refused, json({ server_time: 5 })];
  const { http } = await served({
    "/api/time": (response) => times.shift()(response),
    "/api/rooms/main": json(REPLY),
  });
  const polling = new Polling(http, ["main"]);
  const next = heard(polling);
  await next();
  polling.send(JSON.stringify({ type: "ping", id: 4 }));
  assert.deepEqual(await next(), { type: "pong", id: 4, server_time: 5 });
  polling.close();
});

test("polling survives a request without an answer, and ends after three", async () => {
  const replies = [json(REPLY), refused, refused, json({ ...REPLY, viewers: 3 }), refused, refused, refused];
  const { http } = await served({
    "/api/time": json({ server_time: 1 }),
    "/api/rooms/main": (response) => replies.shift()(response),
  });
  const next = heard(new Polling(http, ["main"]));
  assert.equal((await next()).type, "hello");
  assert.equal((await next()).viewers, 3);
  assert.deepEqual(await next(), { closed: "no answer" });
});

test("polling asks for several rooms at once, greets for each, and tells of those that have changed", async () => {
  const quiz = { ...REPLY, room: "quiz" };
  const launch = { ...REPLY, room: "launch", seq: 9 };
  const answers = [[quiz, launch], [quiz, launch], [quiz, { ...launch, seq: 10 }]];
  const { http } = await served({
    "/api/time": json({ server_time: 1 }),
    "/api/rooms?names=quiz,launch": (response) =>
      json({ rooms: answers.length > 1 ? answers.shift() : answers[0] })(response),
  });
  const polling = new Polling(http, ["quiz", "launch"]);
  const next = heard(polling);
  const said = [await next(), await next(), await next()].map(({ type, room, seq }) => [type, room, seq]);
  assert.deepEqual(said, [["hello", "quiz", 7], ["hello", "launch", 9], ["room", "launch", 10]]);
  polling.close();
});
