// Which transport is tried when: down to polling where nothing better opens, and up again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { transportOf } from "../src/frontend/static/retry.js";
import { connected, HELLO, lose } from "./connected.js";

test("without a WebSocket an event stream is tried, then polling, then all again", () => {
  const order = (addresses) => [0, 1, 2, 3, 4, 5].map((tries) => transportOf(tries, addresses));
  assert.deepEqual(order(1), ["WebSocket", "WebSocket", "SSE", "polling", "WebSocket", "WebSocket"]);
  assert.deepEqual(order(2), ["WebSocket", "WebSocket", "SSE", "SSE", "polling", "WebSocket"]);
  const { world, sockets, connection } = connected();
  for (let turn = 0; turn < 4; turn += 1) lose(world, sockets, connection);
  assert.deepEqual(sockets.map(({ transport }) => transport), order(2).slice(0, 5));
});

test("after a good WebSocket is lost, one is tried at each address first", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onmessage({ data: HELLO });
  world.pass(5001);
  for (let turn = 0; turn < 3; turn += 1) lose(world, sockets, connection);
  assert.deepEqual(sockets.map(({ transport }) => transport), ["WebSocket", "WebSocket", "WebSocket", "SSE"]);
});

/** A connection that has come down to an event stream. */
function streaming() {
  const all = connected({ addresses: ["ws://one"] });
  for (let turn = 0; turn < 2; turn += 1) lose(all.world, all.sockets, all.connection);
  const stream = all.sockets.at(-1);
  assert.equal(stream.transport, "SSE");
  stream.onmessage({ data: HELLO });
  return { ...all, stream };
}

const alive = (world, stream, ms) => {
  for (let passed = 0; passed < ms; passed += 1000) {
    world.pass(1000);
    stream.onmessage({ data: JSON.stringify({ type: "pong" }) });
  }
};

test("a WebSocket is tried beside the event stream, ever more rarely, and takes over with its hello", () => {
  const { world, sockets, connection, stream, frames } = streaming();
  const tried = () => sockets.length - 3;
  alive(world, stream, 5000);
  assert.equal(tried(), 1);
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  alive(world, stream, 10_000);
  assert.equal(tried(), 2);
  alive(world, stream, 120_000);
  assert.ok(tried() >= 4 && tried() <= 6, `${tried()}`);
  assert.equal(connection.transport, "SSE");
  assert.equal(connection.phase, "open");
  assert.equal(stream.isClosed, false);
  const last = sockets.length;
  for (let second = 0; second < 61 && sockets.length === last; second += 1) alive(world, stream, 1000);
  const before = frames.length;
  sockets.at(-1).onmessage({ data: HELLO });
  assert.equal(connection.transport, "WebSocket");
  assert.equal(connection.phase, "open");
  assert.equal(stream.isClosed, true);
  assert.equal(frames.length, before + 1);
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  assert.equal(connection.phase, "waiting");
});

test("beside polling a WebSocket is tried, then an event stream", () => {
  const { world, sockets, connection } = connected({ addresses: ["ws://one"] });
  for (let turn = 0; turn < 3; turn += 1) lose(world, sockets, connection);
  const polling = sockets.at(-1);
  assert.equal(polling.transport, "polling");
  polling.onmessage({ data: HELLO });
  alive(world, polling, 5000);
  assert.equal(sockets.at(-1).transport, "WebSocket");
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  assert.equal(sockets.at(-1).transport, "SSE");
  sockets.at(-1).onmessage({ data: HELLO });
  assert.equal(connection.transport, "SSE");
  assert.ok(polling.isClosed);
});

test("after a good event stream is lost, another is tried first", () => {
  const { world, sockets, connection, stream } = streaming();
  alive(world, stream, 5000);
  stream.onclose({ code: 1006, reason: "" });
  world.pass(connection.retryAt - world.truth);
  assert.equal(sockets.at(-1).transport, "SSE");
});

test("a page that wakes opens an event stream again if that worked, however often it wakes", () => {
  const { world, sockets, connection, stream } = streaming();
  alive(world, stream, 6000);
  for (let turn = 1; turn <= 2; turn += 1) {
    connection.wake();
    world.pass(801);
    assert.equal(sockets.at(-1).transport, "SSE", `turn ${turn}`);
  }
  sockets.at(-1).onmessage({ data: HELLO });
  assert.equal(connection.transport, "SSE");
  alive(world, sockets.at(-1), 61_000);
  assert.equal(sockets.at(-1).transport, "WebSocket");
});

test("if the event stream does not open when a page wakes, the others are tried", () => {
  const { world, sockets, connection, stream } = streaming();
  alive(world, stream, 6000);
  connection.connect();
  const before = sockets.length;
  for (let turn = 0; turn < 3; turn += 1) lose(world, sockets, connection);
  assert.deepEqual(sockets.slice(before).map(({ transport }) => transport), ["SSE", "polling", "WebSocket"]);
});

test("over an event stream a coordinator is heard by what comes on it, and not by pongs of the frontend", () => {
  const { world, connection, stream } = streaming();
  const heardAt = world.truth;
  alive(world, stream, 20_000);
  assert.equal(connection.phase, "open");
  assert.equal(connection.heardAt, heardAt);
  stream.onbytes();
  assert.equal(connection.heardAt, world.truth);
  assert.ok(connection.quietMs > 20_000);
});

test("a lost event stream takes the WebSocket that is being tried with it", () => {
  const { world, sockets, stream, connection } = streaming();
  alive(world, stream, 5000);
  const upgrade = sockets.at(-1);
  stream.onclose({ code: 1006, reason: "" });
  assert.ok(upgrade.isClosed);
  upgrade.onmessage({ data: HELLO });
  assert.equal(connection.phase, "waiting");
});

test("a WebSocket that is cut soon after hello is not taken again and again", () => {
  const { world, sockets, connection } = connected({ addresses: ["ws://one"] });
  const end = 300_000;
  while (world.truth < end) {
    const open = sockets.filter((socket) => !socket.isClosed && !socket.isLost);
    for (const socket of open) {
      if (socket.transport === "WebSocket") {
        socket.isLost = true;
        socket.onmessage({ data: HELLO });
        world.pass(200);
        socket.onclose({ code: 1006, reason: "" });
      } else socket.onmessage({ data: socket.greeted ? JSON.stringify({ type: "pong" }) : HELLO, greeted: (socket.greeted = true) });
    }
    world.pass(500);
  }
  const handshakes = sockets.filter(({ transport }) => transport === "WebSocket").length;
  assert.ok(handshakes < 60, `${handshakes} in five minutes`);
  assert.ok(connection);
});

test("without event streams polling comes after the sockets, and only a socket takes over from it", () => {
  const { world, sockets, connection } = connected({ addresses: ["ws://one"], streams: 0 });
  for (let turn = 0; turn < 2; turn += 1) {
    sockets.at(-1).onclose({ code: 1006, reason: "" });
    world.pass(connection.retryAt - world.truth);
  }
  assert.deepEqual(sockets.map(({ transport }) => transport), ["WebSocket", "WebSocket", "polling"]);
  sockets.at(-1).onmessage({ data: HELLO });
  world.pass(5001);
  assert.equal(sockets.at(-1).transport, "WebSocket");
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  assert.equal(sockets.length, 4);
  assert.equal(connection.transport, "polling");
});

test("a board that polls waits for its first WebSocket no longer than a page of one room", () => {
  const { world, sockets, connection } = connected({ addresses: ["ws://one"], streams: 0 });
  for (let turn = 0; turn < 2; turn += 1) lose(world, sockets, connection);
  const polling = sockets.at(-1);
  assert.equal(polling.transport, "polling");
  for (let room = 0; room < 5; room += 1) polling.onmessage({ data: HELLO });
  alive(world, polling, 5000);
  assert.equal(sockets.at(-1).transport, "WebSocket");
});
