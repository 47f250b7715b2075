import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, Connection, transportOf } from "../src/frontend/static/connection.js";
import { World } from "./world.js";

const HELLO = JSON.stringify({ type: "hello" });

/** A connection whose sockets the test plays. */
function connected({ random = () => 0.5, isReachable = async () => false, addresses = ["ws://one", "ws://two"], streams = addresses.length } = {}) {
  const world = new World();
  const sockets = [];
  const open = (transport, address) => {
    const socket = { transport, address, readyState: 1, isClosed: false, sent: [], close: () => (socket.isClosed = true), send: (text) => socket.sent.push(text) };
    sockets.push(socket);
    return socket;
  };
  const frames = [];
  const asked = [];
  const connection = new Connection({ ...world.env, random, open, isReachable }, addresses, () => "", (frame) => frames.push(frame), () => asked.push(world.truth), () => {}, streams);
  connection.connect();
  return { world, sockets, connection, frames, asked };
}

test("the backoff doubles, has a limit, and is a random part of it", () => {
  const most = [1, 2, 3, 4, 5, 6, 7].map((failures) => backoff(failures, 1, () => 1));
  assert.deepEqual(most, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  assert.equal(backoff(3, 1, () => 0.25), 500);
});

test("with several addresses the backoff doubles after each round of them", () => {
  const most = [1, 2, 3, 4, 5, 6, 7].map((failures) => backoff(failures, 2, () => 1));
  assert.deepEqual(most, [500, 500, 500, 1000, 500, 2000, 500]);
});

test("a socket that closes is opened again, at the next address", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onclose({ code: 1006, reason: "" });
  assert.equal(connection.phase, "waiting");
  assert.equal(connection.retryAt, 250);
  world.pass(250);
  assert.deepEqual(sockets.map((socket) => socket.address), ["ws://one", "ws://two"]);
});

test("the backoff starts small again after a connection that lasted", () => {
  const { world, sockets, connection } = connected();
  for (let turn = 0; turn < 6; turn += 1) {
    sockets.at(-1).onclose({ code: 1006, reason: "" });
    world.pass(connection.retryAt - world.truth);
  }
  sockets.at(-1).onmessage({ data: HELLO });
  assert.equal(connection.phase, "open");
  world.pass(5001);
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  assert.equal(connection.retryAt - world.truth, 250);
});

for (const addresses of [["ws://one"], ["ws://one", "ws://two"]])
  for (const bye of [null, { type: "bye", reason: "restarting", reconnect_ms: 100 }])
    test(`sockets that are cut soon after hello${bye ? " and bye" : ""} are opened ever more rarely, ${addresses.length} addresses`, () => {
      const { world, sockets, connection } = connected({ addresses });
      const minute = (from) => {
        while (world.truth < from + 60_000) {
          sockets.at(-1).onmessage({ data: HELLO });
          world.pass(200);
          if (bye) sockets.at(-1).onmessage({ data: JSON.stringify(bye) });
          sockets.at(-1).onclose({ code: 1006, reason: "" });
          world.pass(connection.retryAt - world.truth);
        }
        return sockets.length;
      };
      const first = minute(0);
      assert.ok(first < 30, `${first} handshakes in the first minute`);
      const second = minute(60_000) - first;
      assert.ok(second < 20, `${second} handshakes in the second minute`);
    });

test("`bye` says how long to stay away", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onmessage({ data: HELLO });
  sockets[0].onmessage({ data: JSON.stringify({ type: "bye", reason: "restarting", reconnect_ms: 8000 }) });
  sockets[0].onclose({ code: 1001, reason: "" });
  assert.equal(connection.retryAt - world.truth, 4000);
});

test("a refusal is final", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onclose({ code: 1008, reason: "origin" });
  world.pass(100_000);
  assert.equal(connection.phase, "refused");
  assert.match(connection.reason, /does not let this page.*origin/);
  assert.equal(sockets.length, 1);
});

test("an address that does not answer is given up", () => {
  const { world, sockets } = connected();
  world.pass(6000);
  assert.ok(sockets[0].isClosed);
  assert.equal(sockets[1].address, "ws://two");
});

for (const [isCounting, quiet] of [[true, 2000], [false, 8000]])
  test(`a connection that falls silent is asked after ${quiet} ms, and given up after four seconds more`, () => {
    const { world, sockets, connection, asked } = connected();
    connection.isCounting = isCounting;
    sockets[0].onmessage({ data: HELLO });
    world.pass(quiet + 3900);
    assert.deepEqual(asked, [quiet]);
    assert.equal(connection.phase, "open");
    world.pass(200);
    assert.ok(sockets[0].isClosed);
  });

test("a connection that answers when it is asked is kept", () => {
  const { world, sockets, connection, asked } = connected();
  sockets[0].onmessage({ data: HELLO });
  for (let turn = 1; turn <= 5; turn += 1) {
    world.pass(11_000);
    assert.equal(asked.length, turn);
    sockets[0].onmessage({ data: JSON.stringify({ type: "pong" }) });
  }
  assert.equal(connection.phase, "open");
});

test("of a hidden page's connection nothing is asked", () => {
  const { world, sockets, connection, asked } = connected();
  sockets[0].onmessage({ data: HELLO });
  world.isHidden = true;
  world.pass(60_000);
  assert.equal(connection.phase, "open");
  world.isHidden = false;
  world.pass(8001);
  assert.equal(asked.length, 1);
});

test("a page that wakes does not wait for a connection that died meanwhile", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onmessage({ data: HELLO });
  connection.wake();
  world.pass(801);
  assert.equal(sockets.length, 2);
});

test("a page that wakes keeps a connection that answers", () => {
  const { world, sockets, connection } = connected();
  sockets[0].onmessage({ data: HELLO });
  world.pass(10);
  connection.wake();
  world.pass(100);
  sockets[0].onmessage({ data: JSON.stringify({ type: "pong" }) });
  world.pass(1200);
  assert.equal(sockets.length, 1);
});

test("a page that wakes does not sit out a backoff", () => {
  const { sockets, connection } = connected({ random: () => 1 });
  sockets[0].onclose({ code: 1006, reason: "" });
  connection.wake();
  assert.equal(sockets.length, 2);
});

test("events of an old socket are ignored", () => {
  const { sockets, connection, frames } = connected();
  connection.connect();
  sockets[0].onmessage({ data: HELLO });
  sockets[0].onclose({ code: 1008, reason: "" });
  assert.equal(frames.length, 0);
  assert.equal(connection.phase, "connecting");
});

test("a handshake that is refused twice by a coordinator that is there is told from a dead address", async () => {
  const { world, sockets, connection } = connected({ isReachable: async () => true });
  for (let turn = 0; turn < 2; turn += 1) {
    assert.equal(connection.isTurnedAway, false);
    sockets.at(-1).onclose({ code: 1006, reason: "" });
    world.pass(1000);
    await Promise.resolve();
  }
  assert.equal(connection.isTurnedAway, true);
  sockets.at(-1).onmessage({ data: HELLO });
  assert.equal(connection.isTurnedAway, false);
});

test("an answer that comes after hello turns nobody away", async () => {
  const { world, sockets, connection } = connected({ isReachable: async () => true });
  for (let turn = 0; turn < 2; turn += 1) {
    sockets.at(-1).onclose({ code: 1006, reason: "" });
    world.pass(1000);
  }
  sockets.at(-1).onmessage({ data: HELLO });
  await Promise.resolve();
  assert.equal(connection.isTurnedAway, false);
});

const lose = (world, sockets, connection) => {
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  world.pass(connection.retryAt - world.truth);
};

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
