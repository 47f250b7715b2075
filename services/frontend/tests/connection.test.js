import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff } from "../src/frontend/static/retry.js";
import { connected, HELLO } from "./connected.js";

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
