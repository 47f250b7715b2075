// A connection whose sockets the test plays.

import { Connection } from "../src/frontend/static/connection.js";
import { World } from "./world.js";

export const HELLO = JSON.stringify({ type: "hello" });

/** The connection, its sockets in the order in which it opened them, and what it has passed on. */
export function connected({ random = () => 0.5, isReachable = async () => false, addresses = ["ws://one", "ws://two"], streams = addresses.length } = {}) {
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

/** Lose the newest socket, and wait until the next one is opened. */
export const lose = (world, sockets, connection) => {
  sockets.at(-1).onclose({ code: 1006, reason: "" });
  world.pass(connection.retryAt - world.truth);
};
