import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../src/frontend/static/server-clock.js";
import { World, randomness } from "./world.js";

const SERVER = 1_795_420_800_000;

/** A page that pings a server over ways of random length; `watch` is called every 50 ms. */
function live({ seconds, pageClock, there, back, watch, seed = 1, onJump = () => {} }) {
  const world = new World(pageClock);
  const random = randomness(seed);
  const delay = (way) => way.least - way.jitter * Math.log(1 - random());
  const { setTimer } = world.env;
  const clock = new ServerClock(world.env, (id) => {
    setTimer(() => {
      const server = SERVER + world.truth;
      setTimer(() => clock.onPong(id, server), delay(back));
    }, delay(there));
    return true;
  }, onJump);
  const asked = world.env.now();
  world.pass(delay(there));
  const server = Math.floor(SERVER + world.truth);
  world.pass(delay(back));
  clock.onHello("coordinator-1", asked, server);
  for (let step = 0; step < seconds * 20; step += 1) {
    world.pass(50);
    const error = clock.time() - (SERVER + world.truth);
    watch({ error, bound: clock.bound(), likely: clock.likely(), clock, world, at: step / 20 });
  }
}

const FAR = { least: 100, jitter: 30 };
const NEAR = { least: 0.2, jitter: 0.3 };
const FAST = { offset: 300_000, rate: 140e-6 };
const SLOW = { offset: -300_000, rate: -140e-6 };

for (const [name, pageClock, there, back] of [
  ["near", FAST, NEAR, NEAR],
  ["far", SLOW, FAR, FAR],
  ["asymmetric", FAST, { least: 150, jitter: 30 }, { least: 50, jitter: 30 }],
]) {
  test(`the bound holds the true error at every moment, ${name}`, () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      live({ seconds: 120, pageClock, there, back, seed, watch: ({ error, bound }) => {
        assert.ok(Math.abs(error) <= bound, `${error} is not within ${bound}`);
      } });
    }
  });
}

/** Clocks as browsers have them: rounded down, or up and down by chance. */
function stepped(step, isRandom, seed) {
  const draw = randomness(seed);
  const drawn = new Map();
  return { ...FAST, step, random: isRandom ? (at) => drawn.get(at) ?? drawn.set(at, draw()).get(at) : () => 0 };
}

for (const [step, most] of [[1, 3], [1000 / 60, 34], [100, 201]])
  for (const isRandom of [false, true]) {
    const name = `of ${Math.round(step)} ms${isRandom ? ", rounded by chance" : ""}`;
    test(`with steps ${name}, it is known within 2 s and stays so, within the bound`, () => {
      for (let seed = 1; seed <= 10; seed += 1) {
        const pageClock = stepped(step, isRandom, seed);
        live({
          seconds: 65, pageClock, there: NEAR, back: NEAR, seed,
          onJump: () => assert.fail("nobody set a clock"),
          watch: ({ error, bound, clock, at }) => {
            assert.ok(Math.abs(error) <= bound, `${error} is not within ${bound}`);
            assert.ok(bound >= step, `${bound} is finer than the clock`);
            if (at < 2) return;
            assert.ok(clock.isKnown, `not known after ${at} s`);
            assert.ok(bound < most, `${bound} after ${at} s`);
          },
        });
      }
    });
  }

test("over a far and symmetric way it is within 5 ms after enough pings", () => {
  let worst = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    live({ seconds: 180, pageClock: FAST, there: FAR, back: FAR, seed, watch: ({ error, at }) => {
      if (at > 20) worst = Math.max(worst, Math.abs(error));
    } });
  }
  assert.ok(worst < 5, `${worst}`);
});

test("the likely error of a symmetric way is much less than the guaranteed one", () => {
  live({ seconds: 30, pageClock: FAST, there: FAR, back: FAR, watch: ({ likely, bound, at }) => {
    if (at > 15) assert.ok(likely < bound / 5);
  } });
});

test("once settled it never steps, so a second stays a second", () => {
  let last = null;
  live({ seconds: 120, pageClock: FAST, there: FAR, back: FAR, watch: ({ clock, at }) => {
    const time = clock.time();
    if (at > 15 && last !== null) assert.ok(Math.abs(time - last - 50) < 0.05, `${time - last}`);
    last = time;
  } });
});

test("it is an estimate until eight pongs have come", () => {
  const known = [];
  live({ seconds: 5, pageClock: FAST, there: FAR, back: FAR, watch: ({ clock }) => known.push(clock.isKnown) });
  assert.equal(known[0], false);
  assert.equal(known.at(-1), true);
});

test("a wall clock that jumps makes it measure again, and the time stays right", () => {
  let jumped = false;
  live({ seconds: 30, pageClock: FAST, there: NEAR, back: NEAR, watch: ({ clock, world, error, bound, at }) => {
    if (at === 15) {
      world.jump(600_000);
      clock.check();
      assert.equal(clock.isKnown, false);
      jumped = true;
      return;
    }
    if (at > 1) assert.ok(Math.abs(error) < 2, `${error}`);
    assert.ok(Math.abs(error) <= bound);
  } });
  assert.ok(jumped);
});

test("it pings at most eight times a second, and once a second in the end", () => {
  const world = new World();
  const asked = [];
  const clock = new ServerClock(world.env, (id) => {
    asked.push(world.truth);
    world.env.setTimer(() => clock.onPong(id, SERVER + world.truth), 1);
    return true;
  }, () => {});
  clock.onHello("coordinator-1", 0, SERVER);
  world.pass(1000);
  assert.ok(asked.length <= 9, `${asked.length}`);
  world.pass(10_000);
  const before = asked.length;
  world.pass(10_000);
  assert.equal(asked.length - before, 10);
});

for (const seconds of [5, -5]) {
  test(`a server's clock that is set by ${seconds} s is followed at once, and measured again`, () => {
    const world = new World(FAST);
    let set = 0;
    const clock = new ServerClock(world.env, (id) => {
      world.env.setTimer(() => clock.onPong(id, SERVER + world.truth + set), 1);
      return true;
    }, () => {});
    clock.onHello("coordinator-1", world.env.now(), SERVER);
    world.pass(30_000);
    set = seconds * 1000;
    world.pass(1100);
    assert.equal(clock.isKnown, false);
    for (let step = 0; step < 100; step += 1) {
      assert.ok(Math.abs(clock.time() - (SERVER + world.truth + set)) < 2);
      world.pass(100);
    }
    assert.equal(clock.isKnown, true);
  });
}
