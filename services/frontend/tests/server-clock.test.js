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

for (const [step, most] of [[1, 3.6], [1000 / 60, 35], [100, 201]])
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

test("over a far and symmetric way it learns how fast the clocks part, and is within 1.5 ms", () => {
  const errors = [];
  for (let seed = 1; seed <= 20; seed += 1) {
    live({ seconds: 180, pageClock: FAST, there: FAR, back: FAR, seed, watch: ({ error, at }) => {
      if (at > 20) assert.ok(Math.abs(error) < 6, `${error}`);
      if (at > 60) errors.push(Math.abs(error));
    } });
  }
  errors.sort((one, other) => one - other);
  assert.ok(errors[Math.floor(errors.length * 0.95)] < 1.5, `${errors[Math.floor(errors.length * 0.95)]}`);
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

/** A page's clock and the moments of its pings, over a way of `ms` there and back; `random` draws the gaps. */
function pinging({ ms = 1, random = () => 0 } = {}) {
  const world = new World();
  world.env.random = random;
  const asked = [];
  const clock = new ServerClock(world.env, (id) => {
    asked.push(world.truth);
    world.env.setTimer(() => clock.onPong(id, SERVER + world.truth - ms / 2), ms);
    return true;
  }, () => {});
  clock.onHello("coordinator-1", 0, SERVER);
  return { world, clock, asked };
}
const within = (moments, from, to) => moments.filter((at) => at > from && at <= to).length;

for (const random of [() => 0, () => 1])
  test(`it pings at most ten times in any second, and seldom in the end, ${random()}`, () => {
    const { world, asked } = pinging({ ms: 60, random });
    world.pass(300_000);
    for (const at of asked) assert.ok(within(asked, at - 0.001, at + 999) <= 10, `at ${at}`);
    assert.ok(within(asked, 0, 2000) >= 8);
    const seldom = within(asked, 240_000, 300_000);
    assert.ok(seldom >= 1 && seldom <= 4, `${seldom} pings in a minute`);
  });

test("over a short and steady way it stops asking soon", () => {
  const { world, clock, asked } = pinging();
  world.pass(10_000);
  assert.ok(asked.length < 16, `${asked.length}`);
  assert.ok(clock.bound() < 2);
});

test("pages that were opened at once do not ping at once", () => {
  const draw = randomness(7);
  const pages = Array.from({ length: 200 }, () => pinging({ random: draw }));
  for (const { world } of pages) world.pass(60_000);
  const all = pages.flatMap(({ asked }) => asked);
  const a_second = within(all, 40_000, 60_000) / 20;
  for (let at = 40_000; at < 60_000; at += 100)
    assert.ok(within(all, at, at + 100) < a_second, `${within(all, at, at + 100)} within 100 ms, ${a_second} a second`);
});

test("what there is to report is reported within the time, and once", () => {
  const { world, clock, asked } = pinging({ random: () => 0.5 });
  world.pass(60_000);
  // Right after a ping, so that the next one is far.
  for (let before = asked.length; asked.length === before; ) world.pass(50);
  const before = asked.length;
  for (let n = 0; n < 5; n += 1) clock.soon(2000);
  world.pass(1100);
  assert.equal(asked.length, before + 1);
});

test("however often it is told to ask, it pings no more than a coordinator accepts", () => {
  const { world, clock, asked } = pinging();
  world.pass(60_000);
  // Eleven late ticks at once, and then for a second more.
  for (let step = 0; step < 1000; step += 1) {
    clock.ask();
    clock.soon(10);
    world.pass(1);
  }
  assert.ok(within(asked, 60_000, 61_000) <= 10, `${within(asked, 60_000, 61_000)}`);
  assert.ok(within(asked, 60_000, 61_000) >= 8);
});

test("what is to be reported while a ping is under way is reported after its pong", () => {
  const { world, clock, asked } = pinging({ ms: 200, random: () => 0.5 });
  world.pass(300_000);
  for (let before = asked.length; asked.length === before; ) world.pass(50);
  const before = asked.length;
  clock.soon(2000);
  world.pass(1400);
  assert.equal(asked.length, before + 1);
});

test("a hidden page hardly pings, says at once that it is hidden, and measures when it wakes", () => {
  const { world, clock, asked } = pinging();
  world.pass(60_000);
  world.isHidden = true;
  clock.ask();
  world.pass(1);
  assert.equal(within(asked, 60_000, 60_001), 1);
  world.pass(59_999);
  assert.equal(within(asked, 60_001, 120_000), 1);
  world.isHidden = false;
  clock.burst();
  world.pass(1000);
  assert.ok(within(asked, 120_000, 120_200) === 1);
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
    clock.ask();  // as a tick at a wrong moment has the page do
    world.pass(100);
    assert.equal(clock.isKnown, false);
    for (let step = 0; step < 100; step += 1) {
      assert.ok(Math.abs(clock.time() - (SERVER + world.truth + set)) < 2);
      world.pass(100);
    }
    assert.equal(clock.isKnown, true);
  });
}
