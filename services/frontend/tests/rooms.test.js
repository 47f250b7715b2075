import assert from "node:assert/strict";
import { test } from "node:test";

import { initial } from "../src/frontend/static/room.js";
import { resumeAll } from "../src/frontend/static/rooms.js";

const room = (epoch, seq) => ({ ...initial, epoch, seq });

test("before anything came there is nothing to resume", () => {
  assert.equal(resumeAll([initial, initial]), "");
  assert.equal(resumeAll([room("a", 0), initial]), "");
});

test("each room is resumed after its own last frame, in the order of the address", () => {
  assert.equal(resumeAll([room("a b", 417), room("a b", 402)]), "&epoch=a%20b&after=417,402");
});

test("a room of another epoch, or of which nothing came, starts over", () => {
  assert.equal(resumeAll([room("", 0), room("new", 4), room("old", 402)]), "&epoch=new&after=,4,");
});
