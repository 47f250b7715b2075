"""Browsers whose clocks move in large steps: the light is green soon, and stays so."""

import re

import pytest

from .conftest import Opening
from .stack import Stack
from .watching import wait_for, wait_green, words

# Both clocks move in steps, rounded up or down by chance, as Firefox does it.
STEPS = """
(() => {
  const step = %f;
  const real = performance.now.bind(performance);
  const chances = new Map();
  const rounded = (ms) => {
    const steps = Math.floor(ms / step);
    if (!chances.has(steps)) chances.set(steps, Math.random());
    return step * (ms / step - steps > chances.get(steps) ? steps + 1 : steps);
  };
  performance.now = () => rounded(real());
  Date.now = () => Math.floor(rounded(performance.timeOrigin + real()));
  window.lights = [];
  window.greenAt = null;
  addEventListener("DOMContentLoaded", () => {
    const root = document.documentElement;
    new MutationObserver(() => {
      if (root.dataset.light === "green") window.greenAt ??= real();
      if (window.lights.at(-1) !== root.dataset.light) window.lights.push(root.dataset.light);
    }).observe(root, {attributes: true, attributeFilter: ["data-light"]});
  });
  const Socket = WebSocket;
  window.sockets = 0;
  window.WebSocket = function (address) { window.sockets += 1; return new Socket(address); };
})();
"""


@pytest.mark.parametrize(("step", "most"), [(1, 4), (1000 / 60, 60), (100, 350)])
def test_the_light_is_steady_and_never_finer_than_the_clock(
    stack: Stack, room: str, open_page: Opening, step: float, most: int
) -> None:
    page = open_page(stack.page(room), STEPS % step)
    wait_green(page)
    stack.start(room, interval_ms=1000)
    wait_for(page, "0", 20)
    assert page.evaluate("window.greenAt") < 3000
    assert page.evaluate("window.lights")[-1] == "green"
    assert page.evaluate("window.lights.filter((light) => light === 'green').length") == 1
    assert page.evaluate("window.sockets") == 1
    said = re.match(
        r"in step, ± (\d+) ms(, this browser's clock has steps of \d+ ms)?$", words(page)
    )
    assert said is not None
    assert step <= int(said[1]) <= most
    assert (said[2] is not None) == (step >= 5)
